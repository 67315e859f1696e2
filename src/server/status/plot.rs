//! Small plots as SVG inside the page: bars of equal width, in the colours of the page.

use std::fmt::{self, Write as _};

/// The drawing's own units; the page scales it.
const WIDTH: usize = 600;
const HEIGHT: u64 = 80;

/// Bars, each in front of a taller one: `values` within `of`, whose heights are told by `name`.
pub(super) fn bars(out: &mut String, name: &str, all: &[u64], of_them: &[u64]) -> fmt::Result {
    let most = all.iter().copied().max().unwrap_or_default();
    let step = WIDTH / all.len().max(1);
    write!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{name}\" \
         preserveAspectRatio=\"none\"><title>{name}</title>\
         <line class=\"base\" x1=\"0\" y1=\"{HEIGHT}\" x2=\"{WIDTH}\" y2=\"{HEIGHT}\" \
         vector-effect=\"non-scaling-stroke\"/>"
    )?;
    for (class, values) in [("bar", all), ("bad", of_them)] {
        for (place, value) in values.iter().enumerate().filter(|(_, value)| **value > 0) {
            // What is there at all is seen.
            let height = (value.saturating_mul(HEIGHT) / most.max(1)).clamp(2, HEIGHT);
            write!(
                out,
                "<rect class=\"{class}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{height}\"/>",
                place * step,
                HEIGHT - height,
                step.saturating_sub(2).max(1),
            )?;
        }
    }
    out.push_str("</svg>");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_high_as_its_value_and_seen_if_there_is_one() {
        let mut out = String::new();
        bars(&mut out, "Requests", &[0, 1000, 500, 1], &[0, 10, 0, 0]).unwrap();
        assert_eq!(out.matches("<rect class=\"bar\"").count(), 3, "{out}");
        assert!(
            out.contains("<rect class=\"bar\" x=\"150\" y=\"0\" width=\"148\" height=\"80\"/>")
        );
        assert!(
            out.contains("<rect class=\"bar\" x=\"450\" y=\"78\" width=\"148\" height=\"2\"/>")
        );
        assert!(
            out.contains("<rect class=\"bad\" x=\"150\" y=\"78\" width=\"148\" height=\"2\"/>")
        );
    }

    #[test]
    fn nothing_is_a_base_line() {
        let mut out = String::new();
        bars(&mut out, "Requests", &[], &[]).unwrap();
        assert!(out.contains("<line") && !out.contains("<rect"), "{out}");
    }
}
