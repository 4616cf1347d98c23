//! Tables. On a phone each row is a card, in which each cell has its heading; the roles keep it a table for screen readers.

use maud::{Markup, html};

/// A table with a caption. Each row has a cell for each heading.
pub(super) fn table(caption: &str, heads: &[&str], rows: &[Vec<Markup>]) -> Markup {
    html! {
        table role="table" {
            caption { (caption) }
            thead role="rowgroup" {
                tr role="row" { @for head in heads { th role="columnheader" scope="col" { (head) } } }
            }
            tbody role="rowgroup" {
                @for row in rows {
                    tr role="row" {
                        @for (head, cell) in heads.iter().zip(row) {
                            td role="cell" data-label=(head) { div { (cell) } }
                        }
                    }
                }
            }
        }
    }
}
