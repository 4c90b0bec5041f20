//! A grey picture as a PNG file, as the W3C's recommendation of 2003 describes it, without
//! compression: TensorBoard's images are small.

/// The most bytes of a block that is not compressed.
const BLOCK: usize = 0xffff;

/// The PNG file of `pixels`, row by row from the top, `width` in each row.
pub(super) fn grey(pixels: &[u8], width: usize) -> Vec<u8> {
    let height = pixels.len() / width;
    let mut header = Vec::new();
    header.extend((width as u32).to_be_bytes());
    header.extend((height as u32).to_be_bytes());
    // Eight bits of grey; deflate, the usual filters, not interlaced.
    header.extend([8, 0, 0, 0, 0]);

    // Each row after the number of its filter: none.
    let rows: Vec<u8> =
        pixels.chunks(width).flat_map(|row| [0].into_iter().chain(row.iter().copied())).collect();
    let mut data = vec![0x78, 0x01];
    let blocks = rows.chunks(BLOCK);
    let last = blocks.len() - 1;
    for (index, block) in blocks.enumerate() {
        let length = block.len() as u16;
        data.push(u8::from(index == last));
        data.extend(length.to_le_bytes());
        data.extend((!length).to_le_bytes());
        data.extend(block);
    }
    data.extend(adler_32(&rows).to_be_bytes());

    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, bytes) in [(b"IHDR", header), (b"IDAT", data), (b"IEND", Vec::new())] {
        let typed = [&kind[..], &bytes].concat();
        file.extend((bytes.len() as u32).to_be_bytes());
        file.extend(&typed);
        file.extend(crc32fast::hash(&typed).to_be_bytes());
    }
    file
}

/// The checksum of RFC 1950.
fn adler_32(bytes: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    for &byte in bytes {
        a = (a + u32::from(byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_the_one_that_python_writes() {
        assert_eq!(adler_32(b"Wikipedia"), 0x11e6_0398);
        // Python: zlib.compress(bytes([0, 0, 255, 0, 128, 64]), 0) in IDAT.
        let file = grey(&[0, 255, 128, 64], 2);
        let expected = [
            &b"\x89PNG\r\n\x1a\n"[..],
            b"\x00\x00\x00\x0dIHDR\x00\x00\x00\x02\x00\x00\x00\x02\x08\x00\x00\x00\x00",
            b"\x57\xdd\x52\xf8",
            b"\x00\x00\x00\x11IDAT\x78\x01\x01\x06\x00\xf9\xff\x00\x00\xff\x00\x80\x40",
        ]
        .concat();
        assert_eq!(file[..expected.len()], expected);
        assert!(file.ends_with(b"\x00\x00\x00\x00IEND\xae\x42\x60\x82"));
        // More than a block.
        assert_eq!(grey(&vec![7; 70_000], 700).len(), 8 + 25 + 12 + 2 + 70_100 + 2 * 5 + 4 + 12);
    }
}
