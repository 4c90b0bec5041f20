//! Where everything in a chart lies.

use super::axis::{Axis, Kind};
use super::chart::Chart;
use super::layer::Paint;
use super::picture::{LABEL, MARGIN, Picture, WIDTH, fitted, text_width};

/// The least width or height of a place for a name.
const NAME_HEIGHT: f64 = 13.0;
/// The greatest width of the names along an axis.
const NAME_WIDTH: f64 = 130.0;
/// The length of the marks at labels, and their distance from the labels.
pub(super) const TICK: f64 = 4.0;
/// The height of a line of labels.
pub(super) const LINE: f64 = 16.0;
/// The length of a sample in the legend.
pub(super) const SWATCH: f64 = 24.0;
/// The most series that a legend names.
const NAMES: usize = 16;

/// Where everything lies, in units.
pub(super) struct Layout {
    /// The legend's rows.
    pub(super) legend: Vec<Vec<Entry>>,
    pub(super) left: f64,
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) plot: (f64, f64),
    /// Whether the names along x stand upright, for lack of room.
    pub(super) upright: bool,
}

/// A place in the legend.
pub(super) struct Entry {
    /// The distance from the left of the sheet.
    pub(super) left: f64,
    pub(super) name: String,
    /// The layer that bears the name; none where the name speaks of the legend itself.
    pub(super) layer: Option<usize>,
}

impl Chart {
    /// Finds a place for everything, and how many labels the axes have room for.
    pub(super) fn layout(&self, x: &mut Axis, y: &mut Axis) -> Layout {
        let legend = self.legend_rows();
        let top =
            Picture::title_height(&self.title, WIDTH) + 6.0 + LINE * legend.len() as f64 + 6.0;
        let labels_width = |axis: &Axis| {
            let widths = axis.ticks().into_iter().map(|tick| text_width(&axis.label(tick), LABEL));
            widths.fold(0.0, f64::max)
        };
        let named = |axis: &mut Axis, width: f64| {
            if let Kind::Names(names) = &mut axis.kind {
                names.iter_mut().for_each(|name| *name = fitted(name, width, LABEL));
            }
        };
        named(x, NAME_WIDTH);
        named(y, NAME_WIDTH);

        let mut height = match &y.kind {
            Kind::Names(names) => self.height * names.len().max(1) as f64,
            _ => self.height,
        };
        let label_height = match &y.kind {
            Kind::Names(_) => NAME_HEIGHT,
            _ => 2.0 * LINE,
        };
        y.labels = (height / label_height) as usize;
        let title_line = |label: &str| if label.is_empty() { 0.0 } else { LINE };
        let left = MARGIN + title_line(&self.y.label) + labels_width(y) + 2.0 * TICK;
        let mut right = MARGIN;
        let width = |right: f64| WIDTH - left - right;
        let mut upright = false;
        if let Kind::Names(names) = &x.kind {
            upright = labels_width(x) > 0.95 * width(right) / names.len().max(1) as f64;
            x.labels = if upright { (width(right) / NAME_HEIGHT) as usize } else { names.len() };
        } else {
            // The last label reaches beyond the axis' end by half its width.
            x.labels = 8;
            while x.labels > 2 && {
                let wide = labels_width(x);
                wide + 16.0 > width(wide / 2.0) / (x.ticks().len() as f64 - 1.0).max(1.0)
            } {
                x.labels -= 1;
            }
            right = right.max(labels_width(x) / 2.0 + 4.0);
        }
        let labels_height = if upright { labels_width(x) } else { LINE };
        let bottom = 2.0 * TICK + labels_height + title_line(&self.x.label) + MARGIN / 2.0;
        if self.square {
            height = width(right);
            y.labels = (height / label_height) as usize;
        }
        Layout { legend, left, top, bottom, plot: (width(right), height), upright }
    }

    /// The layers that the legend names: all, but where there are too many series, some of them,
    /// evenly chosen from the first to the last, and then how many it does not name.
    fn legend_rows(&self) -> Vec<Vec<Entry>> {
        let named: Vec<usize> =
            (0..self.layers.len()).filter(|&index| self.layers[index].name.is_some()).collect();
        let (series, others): (Vec<usize>, Vec<usize>) = named
            .into_iter()
            .partition(|&index| matches!(self.layers[index].paint, Paint::Series(_)));
        let mut chosen: Vec<usize> = match series.len() <= NAMES {
            true => series.clone(),
            false => (0..NAMES).map(|i| series[i * (series.len() - 1) / (NAMES - 1)]).collect(),
        };
        let omitted = series.len() - chosen.len();
        chosen.extend(others);
        let room = WIDTH - 2.0 * MARGIN;
        let mut entries: Vec<(f64, String, Option<usize>)> = Vec::new();
        for &index in &chosen {
            let name = self.layers[index].name.as_deref().unwrap_or_default();
            let name = fitted(name, room - SWATCH - 6.0, LABEL);
            entries.push((SWATCH + 6.0 + text_width(&name, LABEL), name, Some(index)));
        }
        if omitted > 0 {
            let rest = format!("and {omitted} more between them");
            entries.push((text_width(&rest, LABEL), rest, None));
        }
        let mut rows: Vec<Vec<Entry>> = Vec::new();
        let mut end = f64::INFINITY;
        for (width, name, layer) in entries {
            if end + width > WIDTH - MARGIN {
                rows.push(Vec::new());
                end = MARGIN;
            }
            rows.last_mut().expect("a row was begun").push(Entry { left: end, name, layer });
            end += width + 12.0;
        }
        rows
    }
}
