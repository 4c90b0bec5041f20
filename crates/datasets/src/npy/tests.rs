use std::io::Write;

use ndarray::array;
use tempfile::TempDir;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::*;

/// A `.npy` file of version 1, as NumPy writes it.
fn npy(descr: &str, fortran: bool, shape: &str, data: &[u8]) -> Vec<u8> {
    let fortran = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(format!("{header:<width$}\n", width = length - 1).as_bytes());
    bytes.extend(data);
    bytes
}

fn write(directory: &TempDir, file: &str, bytes: &[u8]) -> std::path::PathBuf {
    let path = directory.path().join(file);
    fs::write(&path, bytes).unwrap();
    path
}

fn le<T, const N: usize>(values: &[T], bytes: impl Fn(&T) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(bytes).collect()
}

#[test]
fn every_type_of_number_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let read = |descr, data: &[u8]| {
        let path = write(&directory, "a.npy", &npy(descr, false, "(2, 2)", data));
        read_npy_array::<f64>(path).unwrap()
    };
    let expected = array![[0.0, 1.0], [2.0, 100.0]].into_dyn();
    let values = [0_u8, 1, 2, 100];
    assert_eq!(read("|u1", &values), expected);
    assert_eq!(read("|i1", &values), expected);
    assert_eq!(read("<u2", &le(&values, |&x| u16::from(x).to_le_bytes())), expected);
    assert_eq!(read("<i2", &le(&values, |&x| i16::from(x).to_le_bytes())), expected);
    assert_eq!(read("<u4", &le(&values, |&x| u32::from(x).to_le_bytes())), expected);
    assert_eq!(read("<i4", &le(&values, |&x| i32::from(x).to_le_bytes())), expected);
    assert_eq!(read("<u8", &le(&values, |&x| u64::from(x).to_le_bytes())), expected);
    assert_eq!(read("<i8", &le(&values, |&x| i64::from(x).to_le_bytes())), expected);
    assert_eq!(read("<f4", &le(&values, |&x| f32::from(x).to_le_bytes())), expected);
    assert_eq!(read("<f8", &le(&values, |&x| f64::from(x).to_le_bytes())), expected);
    assert_eq!(read("|b1", &[0, 1, 1, 0]), array![[0.0, 1.0], [1.0, 0.0]].into_dyn());
}

#[test]
fn images_and_labels_become_a_data_set() {
    let directory = tempfile::tempdir().unwrap();
    // Of two pictures, 1 high and 2 wide, in Fortran's order: the first axis runs fastest.
    let x = write(&directory, "x.npy", &npy("|u1", true, "(2, 1, 2)", &[1, 3, 2, 4]));
    let y = write(
        &directory,
        "y.npy",
        &npy("<i8", false, "(2,)", &le(&[7_i64, -1], |x| x.to_le_bytes())),
    );
    let data = Dataset::read_npy(&x, &y).unwrap();
    assert_eq!(data.features(), array![[1.0, 2.0], [3.0, 4.0]]);
    assert_eq!(data.image_shape(), Some([1, 2]));
    assert_eq!((data.class_names(), data.labels()), (&["-1".into(), "7".into()][..], &[1, 0][..]));

    for (compressed, method) in
        [("stored", zip::CompressionMethod::Stored), ("deflated", zip::CompressionMethod::Deflated)]
    {
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for file in ["x.npy", "y.npy"] {
            let options = SimpleFileOptions::default().compression_method(method);
            archive.start_file(file, options).unwrap();
            archive.write_all(&fs::read(directory.path().join(file)).unwrap()).unwrap();
        }
        let path = write(&directory, compressed, &archive.finish().unwrap().into_inner());
        assert_eq!(Dataset::read_npz(&path, "x", "y").unwrap(), data);
        let error = Dataset::read_npz(&path, "x", "z").unwrap_err().to_string();
        assert!(error.ends_with(": no array is named `z`; there are `x`, `y`"), "{error}");
    }
}

#[test]
fn an_archive_of_numpy_is_read() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files/numpy.npz");
    let data = Dataset::read_npz(path, "x", "y").unwrap();
    assert_eq!(data.image_shape(), Some([2, 3]));
    assert_eq!(data.features().row(3), array![18.0, 19.0, 20.0, 21.0, 22.0, 23.0]);
    assert_eq!(data.labels(), [2, 0, 2, 1]);
    let fortran = read_npz_array::<f32>(path, "fortran").unwrap();
    assert_eq!(fortran, array![[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]].into_dyn());
}

#[test]
fn what_is_no_data_set_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let error = |x: &[u8], y: &[u8]| {
        let (x, y) = (write(&directory, "x.npy", x), write(&directory, "y.npy", y));
        let error = Dataset::read_npy(x, y).unwrap_err().to_string();
        error.replace(directory.path().to_str().unwrap(), "DIR")
    };
    let numbers = |values: &[f32]| {
        npy("<f4", false, &format!("({},)", values.len()), &le(values, |x| x.to_le_bytes()))
    };
    let two = numbers(&[1.0, 2.0]);
    assert_eq!(error(&two, &numbers(&[1.0])), "DIR/y.npy: 1 labels, but 2 rows");
    assert_eq!(error(&two, &numbers(&[1.0, 0.5])), "DIR/y.npy: label 1 is 0.5, not a whole number");
    assert_eq!(error(&numbers(&[1.0, f32::NAN]), &two), "DIR/x.npy: value 1 is not a finite f32");
    assert_eq!(error(&numbers(&[]), &numbers(&[])), "DIR/x.npy: a header, but no rows");
    assert_eq!(error(&two[..9], &two), "DIR/x.npy: the file ends within its header");
    let long = [b"\x93NUMPY\x02\x00".to_vec(), vec![0xff; 4], vec![b' '; 100]].concat();
    assert_eq!(error(&long, &two), "DIR/x.npy: the file ends within its header");
    let deep = npy("<f4", false, &"(".repeat(60_000), &[]);
    assert!(error(&deep, &two).contains("no description of an array of numbers"));
    for bad in [
        npy("<f4", false, "(1000000000000000,)", &[0; 8]),
        npy("<f4", false, "(9223372036854775807, 4)", &[0; 8]),
        npy(">f4", false, "(1,)", &[0; 4]),
        npy("<c16", false, "(1,)", &[0; 16]),
        npy("<U3", false, "(1,)", &[0; 12]),
        npy("|b1", false, "(1,)", &[2]),
        b"no array at all".to_vec(),
    ] {
        let error = error(&bad, &two);
        assert!(error.starts_with("DIR/x.npy: "), "{error}");
    }
}

#[test]
fn an_archive_of_more_files_than_it_can_hold_is_refused() {
    let bytes =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files/numpy.npz")).unwrap();
    let end = bytes.windows(4).rposition(|window| window == b"PK\x05\x06").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.npz");
    let error = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        read_npz_array::<f32>(&path, "x").unwrap_err().to_string()
    };
    let mut many = bytes.clone();
    many[end + 8..end + 10].copy_from_slice(&40_000_u16.to_le_bytes());
    assert!(error(&many).ends_with("many.npz: 615 bytes cannot hold 40000 files"));

    // What only looks like an end, of data: its numbers of a disk differ.
    let alike = [&b"PK\x05\x06\x01\0\x02\0\xff\xff"[..], &bytes].concat();
    std::fs::write(&path, alike).unwrap();
    assert!(read_npz_array::<f32>(&path, "x").is_ok());

    // The end of an archive beyond 4 GiB, of 2⁴⁰ files, and where it stands.
    let mut wide = bytes[..end].to_vec();
    wide.extend(b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x2d\0\x2d\0\0\0\0\0\0\0\0\0");
    wide.extend([1_u64 << 40, 1 << 40, 159, 1 << 50].map(u64::to_le_bytes).concat());
    wide.extend(b"PK\x06\x07\0\0\0\0");
    wide.extend((end as u64).to_le_bytes());
    wide.extend(b"\x01\0\0\0PK\x05\x06\0\0\0\0");
    wide.extend([0xff; 12]);
    wide.extend([0, 0]);
    let refused = error(&wide);
    assert!(refused.ends_with(" bytes cannot hold 1099511627776 files"), "{refused}");
}
