//! `connectors`: what is built in.

use comfy_table::{Table, presets};

use super::print;
use crate::connector;
use crate::error::{Error, ExitCode};

pub(super) fn run() -> Result<ExitCode, Error> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["name", "writes to", "limits"]);
    for known in connector::known() {
        table.add_row([known.name, known.description, known.limits]);
    }
    print(format!("{table}\n").as_bytes())
}
