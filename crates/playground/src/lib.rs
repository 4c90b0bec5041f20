#![forbid(unsafe_code)]
//! A page on which gradient descent can be touched: the session behind it, and the program that
//! serves it.
//!
//! A [`Session`] is what one page works with: points, a network, a run that can be taken back. It
//! is given messages and answers them, and knows nothing of how they come: over HTTP from
//! `server`, which the program serves on 127.0.0.1, or in the page itself, where the session is
//! compiled to WebAssembly.
//!
//! ```
//! use downhill_playground::Session;
//!
//! let mut session = Session::new();
//! session.advance(100);
//! let reply = session.handle(r#"{"do":"frame","map":64}"#);
//! assert_eq!(reply.object()["step"], 100);
//! assert_eq!(reply.bytes("map").unwrap().len(), 64 * 64 * 3);
//! session.handle(r#"{"do":"seek","step":99}"#);
//! ```

mod data;
mod directions;
mod error;
mod frame;
mod graph;
mod judgement;
mod loss;
mod network;
mod optimizer;
#[cfg(not(target_family = "wasm"))]
mod page;
mod picture;
mod reply;
mod run;
mod rust;
#[cfg(not(target_family = "wasm"))]
pub mod server;
mod session;
pub mod setting;
mod state;
mod surface;
mod trace;

pub use error::Error;
pub use reply::Reply;
pub use session::Session;
