//! What people read of a result: one HTML page with plots, the tables as Markdown, and pictures as SVG.
//! Everything is worked out from the result's JSON alone, and shows nothing that is not in it.

mod bars;
mod curve;
mod markdown;
mod markup;
mod number;
mod page;
mod pictures;
mod plot;
mod rows;
mod scale;
mod table;

pub use curve::curve;
pub use markdown::markdown;
pub use number::Unit;
pub use page::page;

use crate::result::Run;

/// The style of a picture that stands alone, light and dark as its reader has it.
const ALONE: &str = concat!(include_str!("colours.css"), include_str!("alone.css"));

/// Every plot of the page as a file of its own: names (without `.svg`) and contents.
pub fn svg_files(run: &Run) -> Vec<(String, String)> {
    let of = |result: &crate::result::WorkloadResult| {
        let workload = pictures::slug(&result.name);
        let pictures = pictures::pictures(&run.host, result, Some(ALONE));
        let file =
            move |picture: pictures::Picture| (format!("{workload}-{}", picture.name), picture.svg);
        pictures.into_iter().map(file).collect::<Vec<_>>()
    };
    run.workloads.iter().flat_map(of).collect()
}
