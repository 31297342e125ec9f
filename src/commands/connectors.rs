//! `connectors`: what is built in.

use comfy_table::{Table, presets};

use super::print;
use crate::connector;
use crate::error::{Error, ExitCode};

pub(super) fn run() -> Result<ExitCode, Error> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["name", "writes to", "limits"]);
    for built_in in connector::built_in() {
        table.add_row([built_in.name, built_in.description, built_in.limits]);
    }
    print(format!("{table}\n").as_bytes())
}
