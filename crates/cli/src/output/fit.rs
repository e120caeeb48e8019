//! How wide the columns of a table are, when not all of it fits.

/// What a column asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wish {
    /// The width at which nothing in it is broken.
    pub full: usize,
    /// The width below which it can't be read; at most `full`.
    pub least: usize,
}

/// The widths of columns that have `room` together.
///
/// Columns that ask for no more than an equal share get what they ask for; the others share what is left by
/// what they ask for. None gets less than its least: rather than to break every word, the table is wider than
/// the room.
pub(super) fn fit(wishes: &[Wish], room: usize) -> Vec<usize> {
    let mut widths: Vec<Option<usize>> = vec![None; wishes.len()];
    loop {
        let open: Vec<(usize, Wish)> =
            wishes.iter().copied().enumerate().filter(|(at, _)| widths.get(*at) == Some(&None)).collect();
        let taken: usize = widths.iter().flatten().sum();
        let left = room.saturating_sub(taken);
        let settled = settle(&open, left);
        for (at, width) in settled {
            if let Some(place) = widths.get_mut(at) {
                *place = Some(width);
            }
        }
        if widths.iter().all(Option::is_some) {
            return widths.into_iter().flatten().collect();
        }
    }
}

/// The widths that are certain now, of at least one of the open columns: all of them if they fit, else the
/// short ones, else those whose share is below their least, else each one's share.
fn settle(open: &[(usize, Wish)], left: usize) -> Vec<(usize, usize)> {
    let full: usize = open.iter().map(|(_, wish)| wish.full).sum();
    if full <= left {
        return open.iter().map(|(at, wish)| (*at, wish.full)).collect();
    }
    // What can't be narrower takes its room first, or columns that could give way would not.
    let rigid: Vec<_> = open
        .iter()
        .filter(|(_, wish)| wish.least == wish.full && wish.full * open.len() > left)
        .map(|(at, wish)| (*at, wish.full))
        .collect();
    if !rigid.is_empty() {
        return rigid;
    }
    let short: Vec<_> = open
        .iter()
        .filter(|(_, wish)| wish.full * open.len() <= left)
        .map(|(at, wish)| (*at, wish.full))
        .collect();
    if !short.is_empty() {
        return short;
    }
    let shares = shares(open, full, left);
    let cramped: Vec<_> = open
        .iter()
        .zip(&shares)
        .filter(|((_, wish), (_, share))| *share < wish.least)
        .map(|((at, wish), _)| (*at, wish.least))
        .collect();
    if cramped.is_empty() { shares } else { cramped }
}

/// Each column's share of what is left, by what it asks for; the last one gets what rounding left over.
fn shares(open: &[(usize, Wish)], full: usize, left: usize) -> Vec<(usize, usize)> {
    let mut rest = left;
    let last = open.len().saturating_sub(1);
    open.iter()
        .enumerate()
        .map(|(place, (at, wish))| {
            let share = if place == last { rest } else { rounded(wish.full * left, full).min(rest) };
            rest -= share;
            (*at, share)
        })
        .collect()
}

fn rounded(part: usize, whole: usize) -> usize {
    (2 * part + whole) / (2 * whole).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widths(wishes: &[(usize, usize)], room: usize) -> Vec<usize> {
        fit(&wishes.iter().map(|&(full, least)| Wish { full, least }).collect::<Vec<_>>(), room)
    }

    #[test]
    fn what_fits_is_left_alone() {
        assert_eq!(widths(&[(10, 1), (20, 1)], 30), [10, 20]);
        assert_eq!(widths(&[], 30), [] as [usize; 0]);
    }

    #[test]
    fn short_columns_keep_their_width_and_long_ones_share() {
        assert_eq!(widths(&[(2, 1), (3, 1), (34, 1)], 32), [2, 3, 27]);
        assert_eq!(widths(&[(118, 1), (139, 1)], 35), [16, 19]);
        // The second is short only once the first is settled.
        assert_eq!(widths(&[(2, 1), (16, 1), (90, 1)], 40), [2, 16, 22]);
    }

    #[test]
    fn no_column_is_cramped_below_its_least() {
        assert_eq!(widths(&[(100, 8), (10, 8), (100, 8)], 24), [8, 8, 8]);
        assert_eq!(widths(&[(36, 8), (36, 8), (36, 8)], 5), [8, 8, 8]);
        assert_eq!(widths(&[(12, 12), (300, 8)], 20), [12, 8]);
        assert_eq!(widths(&[(0, 0), (50, 4)], 0), [0, 4]);
    }

    #[test]
    fn the_shares_add_up_to_the_room() {
        for room in 30..120 {
            let widths = widths(&[(70, 2), (41, 2), (99, 2), (13, 2)], room);
            assert_eq!(widths.iter().sum::<usize>(), room.min(223));
        }
    }
}
