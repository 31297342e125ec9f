//! stub
use std::io::{self, Write};
pub fn write_json(out: &mut dyn Write, json: &str) -> io::Result<()> { out.write_all(json.as_bytes()) }
pub fn write_text(out: &mut dyn Write, text: &str) -> io::Result<()> { out.write_all(serde_json::Value::from(text).to_string().as_bytes()) }
