use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use ndarray::array;
use tempfile::TempDir;

use super::*;

const TRAIN_IMAGES: &str = "train-images-idx3-ubyte";
const TRAIN_LABELS: &str = "train-labels-idx1-ubyte";
const TEST_IMAGES: &str = "t10k-images-idx3-ubyte";
const TEST_LABELS: &str = "t10k-labels-idx1-ubyte";

fn idx(shape: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, shape.len() as u8];
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
             [00, 00, 08, 03]"
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
        format!("DIR/{TEST_IMAGES}: images of [3, 2] pixels, but the training images have [2, 3]")
    );
}

#[test]
fn a_damaged_gzip_file_is_an_error() {
    let mut bytes = gzip(&idx(&[3, 2, 3], &[7; 18]));
    bytes.truncate(bytes.len() - 9);
    let message = error(TRAIN_IMAGES, &bytes);
    assert!(message.starts_with(&format!("cannot read DIR/{TRAIN_IMAGES}: ")), "{message}");
}
