//! Parts of a data set on the command line.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use testkit::content::Split;

/// Reads a part's name; the help lists all of them.
pub fn parser() -> impl TypedValueParser<Value = Split> {
    let named = |name: String| Split::ALL.into_iter().find(|split| split.name() == name);
    PossibleValuesParser::new(Split::ALL.map(Split::name))
        .try_map(move |name| named(name).ok_or("not a part of a data set"))
}
