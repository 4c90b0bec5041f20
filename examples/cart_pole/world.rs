//! A cart on a track and a pole on the cart, after Barto, Sutton & Anderson, "Neuronlike adaptive
//! elements that can solve difficult learning control problems" (1983), without friction.
//!
//! ```text
//! temp = (force + m·l·θ̇²·sin θ) / (M + m)
//! θ̈    = (g·sin θ − cos θ · temp) / (l · (4/3 − m·cos² θ / (M + m)))
//! ẍ    = temp − m·l·θ̈·cos θ / (M + m)
//! ```

use downhill::prelude::*;

/// The most steps of an episode.
pub(crate) const LONGEST: usize = 500;

const GRAVITY: f32 = 9.8; // m/s²
const CART_MASS: f32 = 1.0; // kg
const POLE_MASS: f32 = 0.1; // kg
const HALF_LENGTH: f32 = 0.5; // m, from the joint to the pole's centre
const FORCE: f32 = 10.0; // N
const TIME_STEP: f32 = 0.02; // s
const TRACK: f32 = 2.4; // m, to either side
const TILT: f32 = 12.0 * std::f32::consts::PI / 180.0;

/// Where everything is and how fast it moves.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    position: f32,
    velocity: f32,
    angle: f32,
    angular_velocity: f32,
}

impl World {
    /// Nearly upright, nearly at rest, in the middle.
    pub(crate) fn new(rng: &mut impl Rng) -> Self {
        let mut draw = || rng.random_range(-0.05..0.05);
        Self { position: draw(), velocity: draw(), angle: draw(), angular_velocity: draw() }
    }

    /// Position, velocity, angle and angular velocity.
    pub(crate) fn state(&self) -> [f32; 4] {
        [self.position, self.velocity, self.angle, self.angular_velocity]
    }

    /// Whether the pole leans too far or the cart has left the track.
    pub(crate) fn has_fallen(&self) -> bool {
        self.position.abs() > TRACK || self.angle.abs() > TILT
    }

    /// Pushes the cart for a fiftieth of a second.
    pub(crate) fn step(&mut self, right: bool) {
        let force = if right { FORCE } else { -FORCE };
        let (sin, cos) = self.angle.sin_cos();
        let mass = CART_MASS + POLE_MASS;
        let pole = POLE_MASS * HALF_LENGTH;
        let push = (force + pole * self.angular_velocity.powi(2) * sin) / mass;
        let inertia = HALF_LENGTH * (4.0 / 3.0 - POLE_MASS * cos * cos / mass);
        let angular_acceleration = (GRAVITY * sin - cos * push) / inertia;
        let acceleration = push - pole * angular_acceleration * cos / mass;
        self.position += TIME_STEP * self.velocity;
        self.velocity += TIME_STEP * acceleration;
        self.angle += TIME_STEP * self.angular_velocity;
        self.angular_velocity += TIME_STEP * angular_acceleration;
    }
}
