use super::encode::{CHECKSUM, masked_checksum};
use downhill_tensor::Tensor;

use super::*;
use crate::history::tests::descent;

/// A field of a message of protocol buffers.
#[derive(Debug, Clone, PartialEq)]
enum Field {
    Integer(u64),
    Fixed(Vec<u8>),
    Bytes(Vec<u8>),
}

impl Field {
    fn bytes(&self) -> &[u8] {
        match self {
            Field::Bytes(bytes) | Field::Fixed(bytes) => bytes,
            Field::Integer(_) => panic!("an integer, not bytes"),
        }
    }

    fn text(&self) -> &str {
        std::str::from_utf8(self.bytes()).unwrap()
    }

    fn double(&self) -> f64 {
        f64::from_le_bytes(self.bytes().try_into().unwrap())
    }

    fn doubles(&self) -> Vec<f64> {
        let (numbers, rest) = self.bytes().as_chunks();
        assert!(rest.is_empty());
        numbers.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect()
    }
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

/// A reader of the wire format, written from its description and not from the writer.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Integer(varint(&mut bytes)),
            1 => Field::Fixed(take(&mut bytes, 8).to_vec()),
            2 => {
                let length = varint(&mut bytes) as usize;
                Field::Bytes(take(&mut bytes, length).to_vec())
            }
            5 => Field::Fixed(take(&mut bytes, 4).to_vec()),
            kind => panic!("wire type {kind}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

fn field(message: &[u8], number: u64) -> Option<Field> {
    let found: Vec<_> = fields(message).into_iter().filter(|(n, _)| *n == number).collect();
    assert!(found.len() <= 1, "field {number} occurs {} times", found.len());
    found.into_iter().next().map(|(_, field)| field)
}

/// The messages of an event file, whose checksums are checked.
fn messages(path: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(path).unwrap();
    let mut rest = &bytes[..];
    let mut messages = Vec::new();
    while !rest.is_empty() {
        let length = take(&mut rest, 8);
        let checksum = take(&mut rest, 4);
        assert_eq!(checksum, masked_checksum(length).to_le_bytes());
        let message = take(&mut rest, u64::from_le_bytes(length.try_into().unwrap()) as usize);
        let checksum = take(&mut rest, 4);
        assert_eq!(checksum, masked_checksum(message).to_le_bytes());
        messages.push(message.to_vec());
    }
    messages
}

/// The step, tag and summary value of each event that has one.
fn values(path: &Path) -> Vec<(u64, String, Vec<u8>)> {
    let event = |message: Vec<u8>| {
        let summary = field(&message, 5)?;
        let value = field(summary.bytes(), 1).unwrap().bytes().to_vec();
        let Some(Field::Integer(step)) = field(&message, 2) else { panic!("an event's step") };
        let tag = field(&value, 1).unwrap().text().to_owned();
        Some((step, tag, value))
    };
    messages(path).into_iter().filter_map(event).collect()
}

fn scalars(path: &Path, tag: &str) -> Vec<(u64, f32)> {
    values(path)
        .into_iter()
        .filter(|(_, other, _)| other == tag)
        .map(|(step, _, value)| {
            let number = field(&value, 2).unwrap().bytes().try_into().unwrap();
            (step, f32::from_le_bytes(number))
        })
        .collect()
}

#[test]
fn checksums_are_those_of_the_standard_and_of_tensorflow() {
    // RFC 3720, appendix B.4: 32 bytes of zeros, 32 of ones.
    assert_eq!(CHECKSUM.checksum(&[0; 32]), 0x8a91_36aa);
    assert_eq!(CHECKSUM.checksum(&[0xff; 32]), 0x62a8_ab43);
    // The first 12 bytes of any event file of TensorBoard 2.20 whose first message has 24 bytes:
    // EventFileWriter writes 18 00 00 00 00 00 00 00 a3 7f 4b 22.
    assert_eq!(masked_checksum(&24_u64.to_le_bytes()), 0x224b_7fa3);
}

#[test]
fn a_file_begins_with_its_version_and_the_time() {
    let directory = tempfile::tempdir().unwrap();
    let tensorboard = TensorBoard::create(directory.path().join("runs/a")).unwrap();
    let name = tensorboard.path().file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with("events.out.tfevents."), "{name}");
    let messages = messages(tensorboard.path());
    assert_eq!(messages.len(), 1);
    assert_eq!(field(&messages[0], 3).unwrap().text(), "brain.Event:2");
    let age = since_1970() - field(&messages[0], 1).unwrap().double();
    assert!((0.0..60.0).contains(&age), "{age}");
}

#[test]
fn two_runs_in_one_directory_have_files_of_their_own() {
    let directory = tempfile::tempdir().unwrap();
    let first = TensorBoard::create(directory.path()).unwrap();
    let second = TensorBoard::create(directory.path()).unwrap();
    assert_ne!(first.path(), second.path());
}

#[test]
fn a_history_is_read_back_step_by_step_and_nothing_twice() {
    let directory = tempfile::tempdir().unwrap();
    let mut tensorboard = TensorBoard::create(directory.path()).unwrap();
    for steps in [2, 4, 20] {
        tensorboard.update(&descent(steps)).unwrap();
    }
    let path = tensorboard.path();
    let losses: Vec<_> = (0..20).map(|step| (step + 1, 0.25_f32.powi(step as i32))).collect();
    assert_eq!(scalars(path, "loss"), losses);
    assert_eq!(scalars(path, "learning rate").len(), 20);
    assert_eq!(scalars(path, "update-to-weight ratio/model")[7], (8, 0.5));
    assert_eq!(scalars(path, "gradient norm/model")[1], (2, 1.0));
    let epochs = (1..=10).map(|epoch| (2 * epoch, 0.25_f32.powi(2 * epoch as i32 - 1)));
    assert_eq!(scalars(path, "epochs/training loss"), epochs.collect::<Vec<_>>());
}

#[test]
fn what_could_not_be_written_is_written_later() {
    let directory = tempfile::tempdir().unwrap();
    let mut tensorboard = TensorBoard::create(directory.path()).unwrap();
    tensorboard.update(&descent(2)).unwrap();
    tensorboard.text("a", 0, "before").unwrap();
    // A file that takes nothing.
    let closed = File::open(tensorboard.path()).unwrap();
    let file = std::mem::replace(&mut tensorboard.file, closed);
    for steps in [4, 6] {
        let error = tensorboard.update(&descent(steps)).unwrap_err().to_string();
        assert!(error.contains("cannot write") && error.contains("tfevents"), "{error}");
    }
    tensorboard.file = file;
    tensorboard.update(&descent(8)).unwrap();
    let path = tensorboard.path().to_owned();
    let steps = |tag| scalars(&path, tag).iter().map(|(step, _)| *step).collect::<Vec<_>>();
    assert_eq!(steps("loss"), (1..=8).collect::<Vec<_>>());
    assert_eq!(steps("epochs/training loss"), [2, 4, 6, 8]);

    tensorboard.text("a", 0, "after").unwrap();
    drop(tensorboard);
    let texts = values(&path).into_iter().filter(|(_, tag, _)| tag == "a");
    assert_eq!(texts.count(), 2, "what waits is written at the end");
}

#[test]
fn a_run_that_goes_on_does_not_repeat_its_history() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = TensorBoard::create(directory.path()).unwrap();
    // Nothing is there yet, so that all is written.
    first.resume(&descent(4)).unwrap();
    first.update(&descent(4)).unwrap();
    assert_eq!(scalars(first.path(), "loss").len(), 4);

    let mut second = TensorBoard::create(directory.path()).unwrap();
    // A step beyond the end of an epoch, which the first file may not have.
    second.resume(&descent(5)).unwrap();
    second.update(&descent(6)).unwrap();
    let steps: Vec<u64> = scalars(second.path(), "loss").iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [5, 6]);
    assert_eq!(scalars(second.path(), "epochs/training loss").len(), 1);
    let start = &messages(second.path())[1];
    assert_eq!(field(start, 2), Some(Field::Integer(5)));
    assert_eq!(field(field(start, 7).unwrap().bytes(), 1), Some(Field::Integer(1)));
}

#[test]
fn histograms_are_read_back_with_their_bins() {
    let histogram = Histogram::of(&[&Tensor::from([1.0, 1.0, 5.0])]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let mut tensorboard = TensorBoard::create(directory.path()).unwrap();
    tensorboard.histogram("weights/a", 300, &histogram).unwrap();
    tensorboard.flush().unwrap();

    let [(300, tag, value)] = &values(tensorboard.path())[..] else { panic!("one event") };
    assert_eq!(tag, "weights/a");
    let proto = field(value, 5).unwrap();
    let number = |index| field(proto.bytes(), index).unwrap().double();
    // min, max, num, sum, sum_squares
    assert_eq!([1, 2, 3, 4, 5].map(number), [1.0, 5.0, 3.0, 7.0, 27.0]);
    let limits = field(proto.bytes(), 6).unwrap().doubles();
    let counts = field(proto.bytes(), 7).unwrap().doubles();
    assert_eq!((limits.len(), counts.len()), (40, 40));
    assert_eq!((limits[0], limits[39]), (1.1, 5.0));
    assert_eq!((counts[0], counts[39]), (2.0, 1.0));
    assert_eq!(counts.iter().sum::<f64>(), 3.0);
}

#[test]
fn a_place_that_cannot_be_written_is_an_error_naming_it() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = TensorBoard::create(file.path()).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot write {}: ", file.path().display())), "{error}");
}

#[test]
fn images_texts_and_graphs_are_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let mut tensorboard = TensorBoard::create(directory.path()).unwrap();
    tensorboard.image("digit", 3, 2, &[0.0, 16.0, f64::NAN, 4.0, 8.0, 8.0]).unwrap();
    tensorboard.text("settings", 0, "| rate |\n|---|\n| 0.1 |").unwrap();
    let (x, weight) = (Tensor::from(2.0), Tensor::parameter(3.0));
    tensorboard.graph(&Graph::of(&(&weight * &x).tanh()).name(&weight, "the weight")).unwrap();
    tensorboard.flush().unwrap();

    let [(3, tag, image), (0, text_tag, text)] = &values(tensorboard.path())[..] else {
        panic!("two events with values")
    };
    assert_eq!((tag.as_str(), text_tag.as_str()), ("digit", "settings"));
    let image = field(image, 4).unwrap();
    let size = [1, 2, 3].map(|number| field(image.bytes(), number).unwrap());
    assert_eq!(size, [3, 2, 1].map(Field::Integer));
    let png = field(image.bytes(), 4).unwrap();
    assert_eq!(png.bytes(), png::grey(&[0, 255, 0, 64, 128, 128], 2));

    let metadata = field(text, 9).unwrap();
    let plugin = field(metadata.bytes(), 1).unwrap();
    assert_eq!(field(plugin.bytes(), 1).unwrap().text(), "text");
    let tensor = field(text, 8).unwrap();
    assert_eq!(field(tensor.bytes(), 1).unwrap(), Field::Integer(7));
    assert!(field(tensor.bytes(), 8).unwrap().text().starts_with("| rate |"));

    let last = messages(tensorboard.path()).pop().unwrap();
    let definition = field(&last, 4).unwrap();
    let nodes: Vec<(String, String, Vec<String>)> = fields(definition.bytes())
        .iter()
        .map(|(_, node)| {
            let text = |number| field(node.bytes(), number).unwrap().text().to_owned();
            let inputs = fields(node.bytes()).into_iter().filter(|(number, _)| *number == 3);
            let inputs = inputs.map(|(_, input)| input.text().to_owned()).collect();
            (text(1), text(2), inputs)
        })
        .collect();
    assert_eq!(nodes[0].0, "tanh.0");
    assert_eq!(nodes[0].2, [nodes[1].0.clone()]);
    assert_eq!(nodes[1].2, ["the_weight.2".to_owned(), nodes[3].0.clone()]);
    assert_eq!((nodes[2].1.as_str(), nodes[3].1.as_str()), ("Parameter", "Constant"));
}
