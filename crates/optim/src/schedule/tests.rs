use approx::assert_relative_eq;

use super::*;

#[test]
fn after_its_last_step_a_schedule_stays_where_it_ended() {
    let one_cycle = Schedule::one_cycle(1.0, 10, OneCycle::default()).unwrap();
    for (schedule, end) in [
        (Schedule::polynomial(1.0, 10, 2.0).unwrap(), 0.0),
        (Schedule::linear(0.25, 1.0, 10).unwrap(), 1.0),
        (Schedule::cosine(1.0, 10, 0.125).unwrap(), 0.125),
        (one_cycle, 1.0 / 25.0 / 1e4),
    ] {
        for step in [10, 11, 1000, u64::MAX] {
            assert_eq!(schedule.learning_rate(step), end, "{schedule:?} at {step}");
        }
        assert_ne!(schedule.learning_rate(5), end, "{schedule:?}");
    }
}

#[test]
fn restarts_come_at_the_end_of_each_period() {
    let schedule = Schedule::cosine_with_restarts(1.0, 4, 3, 0.0).unwrap();
    for restart in [0, 4, 16, 52] {
        assert_eq!(schedule.learning_rate(restart), 1.0);
        assert!(schedule.learning_rate(restart + 3) < 1.0);
    }
    assert_relative_eq!(schedule.learning_rate(10), 0.5);
    let regular = Schedule::cosine_with_restarts(1.0, 4, 1, 0.0).unwrap();
    assert_eq!(regular.learning_rate(u64::MAX - 3), 1.0);
}

#[test]
fn a_chain_counts_each_links_steps_from_its_beginning() {
    let constant = |rate| Schedule::constant(rate).unwrap();
    let chain = Schedule::linear(0.0, 1.0, 4)
        .unwrap()
        .then(4, constant(1.0))
        .then(6, Schedule::step(1.0, 2, 0.5).unwrap());
    let rates: Vec<f64> = (0..11).map(|step| chain.learning_rate(step)).collect();
    assert_eq!(rates, [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25]);
}

#[test]
fn three_phases_come_down_as_slowly_as_they_went_up() {
    let options = OneCycle {
        warm_up_fraction: 0.25,
        linear: true,
        three_phases: true,
        ..OneCycle::default()
    };
    let schedule = Schedule::one_cycle(1.0, 40, options).unwrap();
    assert_eq!(schedule.learning_rate(9), 1.0);
    for step in 0..9 {
        let (up, down) = (schedule.learning_rate(step), schedule.learning_rate(18 - step));
        assert_relative_eq!(up, down, max_relative = 1e-12);
    }
    assert!(schedule.learning_rate(19) < schedule.learning_rate(18));
}

#[test]
fn arguments_are_validated() {
    let cycle = |options| Schedule::one_cycle(0.1, 10, options);
    let default = OneCycle::default();
    for (schedule, message) in [
        (Schedule::constant(-1.0), "learning_rate is -1; it must be at least 0 and finite"),
        (Schedule::step(0.1, 0, 0.5), "step_size is 0; it must be at least 1 and finite"),
        (Schedule::step(0.1, 1, f64::NAN), "gamma is NaN; it must be at least 0 and finite"),
        (Schedule::multi_step(0.1, &[3], -0.5), "gamma is -0.5; it must be at least 0 and finite"),
        (
            Schedule::exponential(f64::NAN, 0.5),
            "learning_rate is NaN; it must be at least 0 and finite",
        ),
        (Schedule::polynomial(0.1, 0, 1.0), "total_steps is 0; it must be at least 1 and finite"),
        (Schedule::polynomial(0.1, 1, 0.0), "power is 0; it must be above 0 and finite"),
        (
            Schedule::linear(-0.1, 0.1, 1),
            "the first learning_rate is -0.1; it must be at least 0 and finite",
        ),
        (
            Schedule::linear(0.1, -0.1, 1),
            "the last learning_rate is -0.1; it must be at least 0 and finite",
        ),
        (Schedule::cosine(0.1, 1, -0.1), "minimum is -0.1; it must be at least 0 and finite"),
        (
            Schedule::cosine_with_restarts(0.1, 0, 1, 0.0),
            "first_period is 0; it must be at least 1 and finite",
        ),
        (
            Schedule::cosine_with_restarts(0.1, 1, 0, 0.0),
            "factor is 0; it must be at least 1 and finite",
        ),
        (
            cycle(OneCycle { warm_up_fraction: 1.5, ..default }),
            "warm_up_fraction is 1.5; it must be at least 0 and at most 1",
        ),
        (
            cycle(OneCycle { initial_division: 0.0, ..default }),
            "initial_division is 0; it must be above 0 and finite",
        ),
        (
            cycle(OneCycle { momentum: [0.85, 1.5], ..default }),
            "momentum is 1.5; it must be at least 0 and at most 1",
        ),
        (
            cycle(OneCycle { final_division: f64::NAN, ..default }),
            "final_division is NaN; it must be above 0 and finite",
        ),
    ] {
        assert_eq!(schedule.unwrap_err().to_string(), message);
    }
}

#[test]
fn every_learning_rate_is_finite_and_not_negative() {
    for total_steps in [1, 2, 3, 10] {
        for warm_up_fraction in [0.0, 0.1, 0.5, 1.0] {
            for three_phases in [false, true] {
                let options = OneCycle { warm_up_fraction, three_phases, ..OneCycle::default() };
                let schedule = Schedule::one_cycle(1.0, total_steps, options).unwrap();
                for step in 0..12 {
                    let rate = schedule.learning_rate(step);
                    assert!((0.0..=1.0).contains(&rate), "{schedule:?}: {rate} at {step}");
                }
            }
        }
    }
}
