use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use ndarray::{ArrayD, array};
use tempfile::TempDir;

use super::*;

const TRAIN_IMAGES: &str = "train-images-idx3-ubyte";
const TRAIN_LABELS: &str = "train-labels-idx1-ubyte";
const TEST_IMAGES: &str = "t10k-images-idx3-ubyte";
const TEST_LABELS: &str = "t10k-labels-idx1-ubyte";

fn idx(shape: &[u32], values: &[u8]) -> Vec<u8> {
    idx_of_type(8, shape, values)
}

fn idx_of_type(code: u8, shape: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, code, shape.len() as u8];
    bytes.extend(shape.iter().flat_map(|length| length.to_be_bytes()));
    bytes.extend(values);
    bytes
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Three training images and two test images of 2×3 pixels.
fn directory() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let pixels: Vec<u8> = (0..18).map(|pixel| 15 * pixel).collect();
    write(&directory, TRAIN_IMAGES, &idx(&[3, 2, 3], &pixels));
    write(&directory, TRAIN_LABELS, &idx(&[3], &[10, 2, 10]));
    write(&directory, TEST_IMAGES, &idx(&[2, 2, 3], &pixels[..12]));
    write(&directory, TEST_LABELS, &idx(&[2], &[7, 10]));
    directory
}

fn write(directory: &TempDir, file: &str, bytes: &[u8]) {
    fs::write(directory.path().join(file), bytes).unwrap();
}

/// The error of reading the directory once `file` holds `bytes`, the directory shown as `DIR`.
fn error(file: &str, bytes: &[u8]) -> String {
    let directory = directory();
    write(&directory, file, bytes);
    error_of(&directory)
}

fn error_of(directory: &TempDir) -> String {
    let error = Dataset::read_idx(directory).unwrap_err();
    error.to_string().replace(directory.path().to_str().unwrap(), "DIR")
}

fn check(train: &Dataset, test: &Dataset) {
    assert_eq!(train.features().row(1), array![90.0, 105.0, 120.0, 135.0, 150.0, 165.0]);
    assert_eq!(train.features().dim(), (3, 6));
    assert_eq!(train.features()[[2, 5]], 255.0);
    assert_eq!(train.image_shape(), Some([2, 3]));
    assert_eq!(train.target_name(), "label");
    assert_eq!(test.features().dim(), (2, 6));
    assert_eq!(test.image_shape(), Some([2, 3]));
    for side in [train, test] {
        assert_eq!(side.class_names(), ["2", "7", "10"]);
    }
    assert_eq!(train.labels(), [2, 0, 2]);
    assert_eq!(test.labels(), [1, 2]);
}

#[test]
fn pixels_and_labels_are_read_from_plain_files() {
    let (train, test) = Dataset::read_idx(directory()).unwrap();
    check(&train, &test);
}

#[test]
fn pixels_and_labels_are_read_from_gzipped_files() {
    let directory = directory();
    for file in [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS] {
        let path = directory.path().join(file);
        write(&directory, &format!("{file}.gz"), &gzip(&fs::read(&path).unwrap()));
        fs::remove_file(path).unwrap();
    }
    let (train, test) = Dataset::read_idx(&directory).unwrap();
    check(&train, &test);
}

#[test]
fn a_file_called_gz_may_be_unpacked_already() {
    let directory = directory();
    let path = directory.path().join(TEST_LABELS);
    fs::rename(&path, path.with_extension("gz")).unwrap();
    let (train, test) = Dataset::read_idx(&directory).unwrap();
    check(&train, &test);
}

#[test]
fn a_path_that_is_no_directory_is_an_error() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for path in ["no/such/directory", file] {
        let error = Dataset::read_idx(path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cannot read {path}: ")), "{error}");
    }
}

#[test]
fn a_directory_without_idx_files_is_an_error() {
    let message = error_of(&tempfile::tempdir().unwrap());
    assert_eq!(message, format!("DIR: holds neither {TRAIN_IMAGES} nor {TRAIN_IMAGES}.gz"));

    let directory = directory();
    fs::remove_file(directory.path().join(TEST_LABELS)).unwrap();
    let message = error_of(&directory);
    assert_eq!(message, format!("DIR: holds neither {TEST_LABELS} nor {TEST_LABELS}.gz"));
}

#[test]
fn a_bad_magic_number_is_an_error() {
    let message = |found| {
        format!(
            "DIR/{TRAIN_IMAGES}: not the IDX file expected: it starts with {found}, not \
             [00, 00, TYPE, 03]"
        )
    };
    assert_eq!(error(TRAIN_IMAGES, &idx(&[3], &[1, 2, 3])), message("[00, 00, 08, 01]"));
    assert_eq!(error(TRAIN_IMAGES, b"P6"), message("[50, 36]"));
    assert_eq!(error(TRAIN_IMAGES, b""), message("[]"));
}

#[test]
fn a_header_cut_short_is_an_error() {
    assert_eq!(
        error(TRAIN_IMAGES, &idx(&[3, 2, 3], &[])[..14]),
        format!("DIR/{TRAIN_IMAGES}: the file ends within its header of 16 bytes, after 14")
    );
}

#[test]
fn a_header_that_promises_more_than_the_file_holds_is_an_error() {
    assert_eq!(
        error(TRAIN_IMAGES, &idx(&[3, 2, 3], &[0; 17])),
        format!("DIR/{TRAIN_IMAGES}: the header promises 18 bytes, [3, 2, 3], but only 17 follow")
    );
    assert_eq!(
        error(TEST_LABELS, &idx(&[2], &[1])),
        format!("DIR/{TEST_LABELS}: the header promises 2 bytes, [2], but only 1 follow")
    );
}

/// Were the header's word taken for it, this would ask for 3 · 10¹² and 8 · 10²⁸ bytes.
#[test]
fn nothing_is_allocated_by_the_word_of_a_header() {
    for bytes in [idx(&[u32::MAX, 28, 28], &[0; 100]), gzip(&idx(&[u32::MAX, 28, 28], &[0; 100]))] {
        assert_eq!(
            error(TRAIN_IMAGES, &bytes),
            format!(
                "DIR/{TRAIN_IMAGES}: the header promises 3367254359280 bytes, \
                 [4294967295, 28, 28], but only 100 follow"
            )
        );
    }
    assert_eq!(
        error(TRAIN_IMAGES, &idx(&[u32::MAX; 3], &[0; 100])),
        format!(
            "DIR/{TRAIN_IMAGES}: the header promises 79228162458924105385300197375 bytes, \
             [4294967295, 4294967295, 4294967295], but only 100 follow"
        )
    );
}

#[test]
fn bytes_after_the_last_value_are_an_error() {
    for bytes in [idx(&[3, 2, 3], &[0; 19]), gzip(&idx(&[3, 2, 3], &[0; 1_000_000]))] {
        assert_eq!(
            error(TRAIN_IMAGES, &bytes),
            format!(
                "DIR/{TRAIN_IMAGES}: more follows than the 18 bytes, [3, 2, 3], that the header \
                 promises"
            )
        );
    }
}

#[test]
fn a_header_that_promises_nothing_is_an_error() {
    assert_eq!(
        error(TRAIN_IMAGES, &idx(&[u32::MAX, 0, 28], &[])),
        format!("DIR/{TRAIN_IMAGES}: the header promises no values, [4294967295, 0, 28]")
    );
}

#[test]
fn a_label_file_of_another_length_is_an_error() {
    assert_eq!(
        error(TEST_LABELS, &idx(&[3], &[1, 2, 3])),
        format!("DIR/{TEST_LABELS}: 3 labels, but DIR/{TEST_IMAGES} holds 2 images")
    );
}

#[test]
fn test_images_of_another_size_are_an_error() {
    assert_eq!(
        error(TEST_IMAGES, &idx(&[2, 3, 2], &[0; 12])),
        format!("DIR/{TEST_IMAGES}: [3, 2] pixels, but the images before have [2, 3]")
    );
}

#[test]
fn a_damaged_gzip_file_is_an_error() {
    let mut bytes = gzip(&idx(&[3, 2, 3], &[7; 18]));
    bytes.truncate(bytes.len() - 9);
    let message = error(TRAIN_IMAGES, &bytes);
    assert!(message.starts_with(&format!("cannot read DIR/{TRAIN_IMAGES}: ")), "{message}");
}

fn array_of(bytes: &[u8]) -> Result<ArrayD<f64>, Error> {
    let directory = tempfile::tempdir().unwrap();
    write(&directory, "array", bytes);
    read_idx_array(directory.path().join("array"))
}

#[test]
fn every_type_is_read() {
    let big_endian = |values: &[f64], code: u8| -> Vec<u8> {
        let bytes = values.iter().flat_map(|&x| match code {
            8 => vec![x as u8],
            9 => vec![x as i8 as u8],
            0x0b => (x as i16).to_be_bytes().to_vec(),
            0x0c => (x as i32).to_be_bytes().to_vec(),
            0x0d => (x as f32).to_be_bytes().to_vec(),
            _ => x.to_be_bytes().to_vec(),
        });
        idx_of_type(code, &[2, 1, 2], &bytes.collect::<Vec<_>>())
    };
    for (code, values) in [
        (8, [0.0, 1.0, 128.0, 255.0]),
        (9, [0.0, -1.0, -128.0, 127.0]),
        (0x0b, [0.0, -1.0, -32_768.0, 258.0]),
        (0x0c, [0.0, -1.0, -2_147_483_648.0, 16_909_060.0]),
        (0x0d, [0.5, -1e-38, f64::INFINITY, 3.0]),
        (0x0e, [0.1, -1e-308, f64::NEG_INFINITY, 3.0]),
    ] {
        let array = array_of(&big_endian(&values, code)).unwrap();
        assert_eq!(array.shape(), [2, 1, 2]);
        let expected = values.map(|x| if code == 0x0d { f64::from(x as f32) } else { x });
        assert_eq!(array.iter().copied().collect::<Vec<_>>(), expected);
    }
}

#[test]
fn an_unknown_type_and_no_axes_are_errors() {
    for magic in [[0, 0, 10, 1], [0, 0, 8, 0], [1, 0, 8, 1], [0, 1, 8, 1]] {
        let error = array_of(&magic).unwrap_err().to_string();
        let expected = format!(
            "not the IDX file expected: it starts with {magic:02x?}, not [00, 00, TYPE, AXES]"
        );
        assert!(error.ends_with(&expected), "{error}");
    }
}

#[test]
fn the_product_of_many_axes_does_not_overflow() {
    let error = array_of(&idx(&[u32::MAX; 255], &[1, 2])).unwrap_err().to_string();
    assert!(error.ends_with("4294967295] and 247 more axes, but only 2 follow"), "{error}");
}

#[test]
fn labels_may_be_of_any_type_but_must_be_whole_numbers() {
    let directory = directory();
    let short = |labels: &[i16]| {
        let bytes: Vec<u8> = labels.iter().flat_map(|label| label.to_be_bytes()).collect();
        idx_of_type(0x0b, &[labels.len() as u32], &bytes)
    };
    write(&directory, TRAIN_LABELS, &short(&[1000, -3, 7]));
    write(&directory, TEST_LABELS, &short(&[7, 1000]));
    let (train, test) = Dataset::read_idx(&directory).unwrap();
    assert_eq!(train.class_names(), ["-3", "7", "1000"]);
    assert_eq!((train.labels(), test.labels()), (&[2, 0, 1][..], &[1, 2][..]));

    let halves: Vec<u8> = [7.0_f32, 0.5].iter().flat_map(|label| label.to_be_bytes()).collect();
    write(&directory, TEST_LABELS, &idx_of_type(0x0d, &[2], &halves));
    assert_eq!(
        error_of(&directory),
        format!("DIR/{TEST_LABELS}: label 1 is 0.5, not a whole number")
    );
}

#[test]
fn a_pixel_that_is_not_finite_is_an_error() {
    let pixels: Vec<u8> =
        [[1.0, f32::NAN]; 6].concat().iter().flat_map(|pixel| pixel.to_be_bytes()).collect();
    assert_eq!(
        error(TEST_IMAGES, &idx_of_type(0x0d, &[2, 2, 3], &pixels)),
        format!("DIR/{TEST_IMAGES}: value 1 is not a finite f32")
    );
}
