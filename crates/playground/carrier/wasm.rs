//! The session in WebAssembly, for a page that carries its engine. `build` beside this file makes
//! that page.
//!
//! Messages and replies are bytes in the module's memory: the host asks for room, writes a message,
//! has it handled, and reads the reply. There is no clock here; how long to train is the host's to
//! decide.

#![deny(unsafe_code)]

use std::cell::RefCell;

use downhill_playground::Session;

thread_local! {
    static SESSION: RefCell<Session> = RefCell::new(Session::new());
    static MESSAGE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static REPLY: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Makes room for a message of this many bytes, and returns where it is to be written.
// SAFETY: no other function of the program has this name.
#[allow(unsafe_code, reason = "a name for the host")]
#[unsafe(no_mangle)]
pub extern "C" fn message(length: usize) -> *mut u8 {
    MESSAGE.with_borrow_mut(|message| {
        message.clear();
        message.resize(length, 0);
        message.as_mut_ptr()
    })
}

/// Trains, and returns how many steps were made.
// SAFETY: no other function of the program has this name.
#[allow(unsafe_code, reason = "a name for the host")]
#[unsafe(no_mangle)]
pub extern "C" fn advance(steps: u32) -> u32 {
    SESSION.with_borrow_mut(|session| session.advance(steps.into()) as u32)
}

/// Answers the message, and returns the length of the reply.
// SAFETY: no other function of the program has this name.
#[allow(unsafe_code, reason = "a name for the host")]
#[unsafe(no_mangle)]
pub extern "C" fn answer() -> usize {
    let reply = MESSAGE.with_borrow(|message| {
        let message = String::from_utf8_lossy(message);
        SESSION.with_borrow_mut(|session| session.handle(&message).into_bytes())
    });
    let length = reply.len();
    REPLY.set(reply);
    length
}

/// Where the reply is.
// SAFETY: no other function of the program has this name.
#[allow(unsafe_code, reason = "a name for the host")]
#[unsafe(no_mangle)]
pub extern "C" fn reply() -> *const u8 {
    REPLY.with_borrow(|reply| reply.as_ptr())
}
