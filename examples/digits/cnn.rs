//! A small convolutional network for images of one channel, whatever their size.

use downhill::nn::{Conv2d, Description, Dropout, Flatten, MaxPool2d};
use downhill::prelude::*;

/// Two convolutions look for strokes and for what strokes make up, wherever they are in the image;
/// pooling between them keeps the strongest answer of every four; a perceptron decides.
#[derive(Clone)]
pub struct Cnn {
    height: usize,
    width: usize,
    mean: f32,
    standard_deviation: f32,
    layers: Sequential,
}
parameters!(Cnn { height: _, width: _, mean: _, standard_deviation: _, layers });

impl Cnn {
    /// A network for images such as those of `train`, with hidden layers of the sizes `hidden`
    /// after the convolutions.
    ///
    /// All pixels are shifted and scaled alike. To standardise each for itself, as is right for
    /// measurements of different kinds, would magnify the noise of pixels that are hardly ever
    /// inked: on the 8×8 digits it costs some 0.2 points of test accuracy, on the mean of 10 seeds.
    pub fn new(
        train: &Dataset,
        hidden: &[usize],
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<Self, String> {
        let [height, width] = train.image_shape().ok_or(
            "--model cnn is for images, and the features are no pixels: a table has to name them \
             pixel_0_0, pixel_0_1 and so on, row by row",
        )?;
        if height < 2 || width < 2 {
            return Err(format!(
                "--model cnn takes images of 2×2 or more, not of {height}×{width}"
            ));
        }
        let pixels = train.features().mapv(f64::from);
        let standard_deviation = match pixels.std(0.0) {
            0.0 => 1.0,
            deviation => deviation as f32,
        };
        let mean = pixels.mean().unwrap_or(0.0) as f32;
        let features = Self::feature_count([height, width]);
        let sizes = [&[features], hidden, &[train.class_count()]].concat();
        Self::with_sizes([height, width], [mean, standard_deviation], &sizes, rng)
    }

    /// How many numbers the convolutions make of an image.
    fn feature_count([height, width]: [usize; 2]) -> usize {
        (height / 2).saturating_mul(width / 2).saturating_mul(32)
    }

    /// A network whose perceptron has these sizes, for images whose pixels have the mean and the
    /// standard deviation `scale`.
    pub fn with_sizes(
        [height, width]: [usize; 2],
        [mean, standard_deviation]: [f32; 2],
        sizes: &[usize],
        rng: &mut Xoshiro256PlusPlus,
    ) -> Result<Self, String> {
        if sizes.first() != Some(&Self::feature_count([height, width])) {
            return Err(format!("a perceptron of sizes {sizes:?} is not for {height}×{width}"));
        }
        // Pooling stands before the activation, which comes to the same, as ReLU keeps the order
        // of values, and leaves it a fourth of them. A second pooling would leave 2×2 of the 8×8
        // digits.
        let layers = Sequential::new()
            .then(Conv2d::new(1, 16, 3, rng).padding(1))
            .then(MaxPool2d::new(2))
            .then(Activation::Relu)
            .then(Conv2d::new(16, 32, 3, rng).padding(1))
            .then(Activation::Relu)
            .then(Flatten)
            .then(Dropout::new(0.25).map_err(|error| error.to_string())?)
            .then(Mlp::new(sizes, rng));
        Ok(Self { height, width, mean, standard_deviation, layers })
    }

    /// What a file says of the network, from which predict builds it again.
    pub fn note(&self) -> serde_json::Value {
        serde_json::json!({
            "kind": "cnn",
            "perceptron": "layers.7.",
            "height": self.height,
            "width": self.width,
            "mean": self.mean,
            "standard_deviation": self.standard_deviation,
        })
    }

    /// From rows of pixels, `[N, height · width]`, to `[N, 1, height, width]`.
    fn images(&self, pixels: &Tensor) -> Tensor {
        let scaled = (pixels - self.mean) / self.standard_deviation;
        scaled.reshape(&[pixels.shape()[0], 1, self.height, self.width])
    }
}

impl Module for Cnn {
    fn forward_training(&mut self, pixels: &Tensor, rng: &mut dyn Rng) -> Tensor {
        self.layers.forward_training(&self.images(pixels), rng)
    }

    fn evaluate(&self, pixels: &Tensor) -> Tensor {
        self.layers.evaluate(&self.images(pixels))
    }

    fn describe(&self) -> Description {
        self.layers.describe()
    }
}
