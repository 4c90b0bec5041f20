use image::{Rgb, RgbImage};
use ndarray::array;
use tempfile::TempDir;

use super::*;

/// Two cats in PNG and a dog in JPEG, each 2 high and 3 wide, and files that are no pictures.
fn pets() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for class in ["cat", "dog", "empty", ".hidden"] {
        fs::create_dir(directory.path().join(class)).unwrap();
    }
    save(&directory, "cat/2.png", 3, |column, row| [(100 * row) as u8, (50 * column) as u8, 255]);
    save(&directory, "cat/10.PNG", 3, |_, _| [0, 0, 0]);
    save(&directory, "dog/1.jpeg", 3, |_, _| [255, 255, 255]);
    fs::write(directory.path().join("dog/notes.txt"), "good dog").unwrap();
    fs::write(directory.path().join("README"), "").unwrap();
    fs::write(directory.path().join(".hidden/1.png"), "no picture").unwrap();
    directory
}

fn save(directory: &TempDir, file: &str, width: u32, colour: impl Fn(u32, u32) -> [u8; 3]) {
    let picture = RgbImage::from_fn(width, 2, |column, row| Rgb(colour(column, row)));
    picture.save(directory.path().join(file)).unwrap();
}

#[test]
fn each_folder_of_pictures_is_a_class() {
    let directory = pets();
    let pets = ImageFolder::new(&directory).read().unwrap();
    assert_eq!(pets.class_names(), ["cat", "dog"]);
    assert_eq!(pets.labels(), [0, 0, 1]);
    assert_eq!(pets.image_shape(), Some([2, 3]));
    assert_eq!(pets.features().row(0), array![0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(pets.features().row(2), array![1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
    // Luminance by ITU-R BT.709: 0.2126 red + 0.7152 green + 0.0722 blue.
    let expected = (0.2126 * 100.0 + 0.7152 * 50.0 + 0.0722 * 255.0) / 255.0;
    assert!((pets.features()[[1, 4]] - expected).abs() < 0.5 / 255.0 + 1e-6);
}

#[test]
fn colours_come_one_after_the_other() {
    let directory = pets();
    let pets = ImageFolder::new(&directory).colour(true).read().unwrap();
    assert_eq!(pets.features().dim(), (3, 18));
    let row: Vec<f32> = pets.features().row(1).iter().map(|x| (x * 255.0).round()).collect();
    assert_eq!(row[..6], [0.0, 0.0, 0.0, 100.0, 100.0, 100.0]);
    assert_eq!(row[6..12], [0.0, 50.0, 100.0, 0.0, 50.0, 100.0]);
    assert_eq!(row[12..], [255.0; 6]);
    assert_eq!(pets.feature_names()[0], "red_0_0");
    assert_eq!(pets.feature_names()[17], "blue_1_2");
    assert_eq!(pets.image_shape(), None);
}

#[test]
fn pictures_are_scaled_when_asked() {
    let directory = pets();
    save(&directory, "dog/2.png", 7, |_, _| [51, 51, 51]);
    let pets = ImageFolder::new(&directory).size(4, 5).read().unwrap();
    assert_eq!(pets.image_shape(), Some([4, 5]));
    assert!(pets.features().row(3).iter().all(|&pixel| (pixel - 0.2).abs() < 1e-6));

    let error = ImageFolder::new(&directory).read().unwrap_err().to_string();
    assert!(
        error.ends_with("dog/2.png: [2, 7] pixels, but the images before have [2, 3]"),
        "{error}"
    );
}

#[test]
fn a_damaged_picture_and_a_folder_without_any_are_errors() {
    let directory = pets();
    fs::write(directory.path().join("cat/3.png"), "no picture").unwrap();
    let error = ImageFolder::new(&directory).size(2, 2).read().unwrap_err().to_string();
    assert!(error.contains("cat/3.png: "), "{error}");

    let empty = tempfile::tempdir().unwrap();
    let error = ImageFolder::new(&empty).read().unwrap_err().to_string();
    assert!(error.ends_with(": holds no directory with PNG or JPEG pictures"), "{error}");
    assert!(ImageFolder::new("no/such").read().is_err());
}

#[test]
fn a_picture_that_its_file_is_too_short_for_is_refused_by_its_header() {
    let directory = pets();
    let path = directory.path().join("dog/1.jpeg");
    let mut bytes = fs::read(&path).unwrap();
    // Height and width stand five bytes behind the marker of the frame.
    let frame = bytes.windows(2).position(|marker| marker == [0xff, 0xc0]).unwrap();
    bytes[frame + 5..frame + 9].copy_from_slice(&[0xff, 0xfe, 0xff, 0xfd]);
    fs::write(&path, &bytes).unwrap();
    let error = ImageFolder::new(&directory).size(2, 2).read().unwrap_err().to_string();
    let expected = format!("dog/1.jpeg: {} bytes cannot hold 65533 x 65534 pixels", bytes.len());
    assert!(error.ends_with(&expected), "{error}");
}
