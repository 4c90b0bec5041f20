//! What the features are called.

/// The names of features. Those of pixels are put into words only where they are asked for: an
/// image may have more pixels than a program has memory for names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Names {
    Given(Vec<String>),
    /// `feature_0`, `feature_1`, … of as many.
    Numbered(usize),
    /// `pixel_0_0`, `pixel_0_1`, … of height and width, row by row.
    Pixels([usize; 2]),
    /// `red_0_0`, …, then green and blue, of height and width.
    #[cfg(feature = "images")]
    Colours([usize; 2]),
}

impl Names {
    pub(crate) fn to_vec(&self) -> Vec<String> {
        match self {
            Self::Given(names) => names.clone(),
            Self::Numbered(count) => (0..*count).map(|index| format!("feature_{index}")).collect(),
            Self::Pixels(shape) => grid("pixel", *shape).collect(),
            #[cfg(feature = "images")]
            Self::Colours(shape) => {
                ["red", "green", "blue"].iter().flat_map(|colour| grid(colour, *shape)).collect()
            }
        }
    }

    /// Height and width, if these are the names of a whole grid of pixels.
    pub(crate) fn image_shape(&self) -> Option<[usize; 2]> {
        let names = match self {
            Self::Given(names) => names,
            Self::Pixels(shape) => return Some(*shape),
            _ => return None,
        };
        let (row, column) = names.last()?.strip_prefix("pixel_")?.split_once('_')?;
        let height = row.parse::<usize>().ok()?.checked_add(1)?;
        let width = column.parse::<usize>().ok()?.checked_add(1)?;
        let whole = height.checked_mul(width) == Some(names.len())
            && *names == Self::Pixels([height, width]).to_vec();
        whole.then_some([height, width])
    }
}

/// `name_0_0`, `name_0_1`, … row by row.
fn grid(name: &str, [height, width]: [usize; 2]) -> impl Iterator<Item = String> {
    (0..height * width).map(move |index| format!("{name}_{}_{}", index / width, index % width))
}
