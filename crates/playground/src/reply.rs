//! What goes back to the page: text, and numbers that would be long as text.

use serde_json::{Map, Value, json};

/// A reply: a JSON object, and arrays it refers to.
///
/// On the wire it is the object's length in bytes as four bytes, least first, the object, and the
/// arrays, each at a multiple of 4 bytes from the beginning. The object's member `arrays` says of
/// each array where it begins, how many numbers it holds, and whether they are `f32` or `u8`.
#[derive(Debug, Default)]
pub struct Reply {
    object: Map<String, Value>,
    arrays: Map<String, Value>,
    bytes: Vec<u8>,
}

impl Reply {
    /// A reply that says nothing but what is wrong.
    pub fn error(message: impl ToString) -> Self {
        let mut reply = Self::default();
        reply.set("error", message.to_string());
        reply
    }

    /// The object without its arrays.
    pub fn object(&self) -> &Map<String, Value> {
        &self.object
    }

    /// The numbers of an array of `f32`.
    pub fn floats(&self, name: &str) -> Option<Vec<f32>> {
        let bytes = self.array(name, "f32", 4)?.chunks_exact(4);
        Some(bytes.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
    }

    /// The numbers of an array of `u8`.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.array(name, "u8", 1)
    }

    fn array(&self, name: &str, kind: &str, width: usize) -> Option<&[u8]> {
        let entry = self.arrays.get(name)?.as_array()?;
        let (start, count) = (entry[0].as_u64()? as usize, entry[1].as_u64()? as usize);
        (entry[2] == kind).then(|| &self.bytes[start..start + count * width])
    }

    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.object.insert(name.into(), value.into());
    }

    pub(crate) fn put_floats(&mut self, name: &str, numbers: impl IntoIterator<Item = f32>) {
        let start = self.bytes.len();
        self.bytes.extend(numbers.into_iter().flat_map(f32::to_le_bytes));
        let count = (self.bytes.len() - start) / 4;
        self.arrays.insert(name.into(), json!([start, count, "f32"]));
    }

    pub(crate) fn put_bytes(&mut self, name: &str, numbers: impl IntoIterator<Item = u8>) {
        let start = self.bytes.len();
        self.bytes.extend(numbers);
        self.arrays.insert(name.into(), json!([start, self.bytes.len() - start, "u8"]));
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// The reply on the wire.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.object.insert("arrays".into(), Value::Object(self.arrays));
        let mut text = Value::Object(self.object).to_string();
        while !text.len().is_multiple_of(4) {
            text.push(' ');
        }
        let length = u32::try_from(text.len()).expect("a reply is shorter than 4 GiB");
        let mut wire = length.to_le_bytes().to_vec();
        wire.extend(text.as_bytes());
        wire.extend(self.bytes);
        wire
    }
}

/// A number, or its name where JSON has none.
pub(crate) fn number(value: f64) -> Value {
    match value.is_finite() {
        true => value.into(),
        false => value.to_string().into(),
    }
}

/// A number with no more digits than it takes to tell it from its neighbours.
pub(crate) fn single(value: f32) -> Value {
    match value.is_finite() {
        true => json!(value),
        false => value.to_string().into(),
    }
}
