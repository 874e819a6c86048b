//! Finds the name that the user probably meant.

/// The known name nearest to `name`, if the two are close enough for the difference to be a typing error.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written: Vec<char> = name.to_lowercase().chars().collect();
    let near = known.into_iter().filter_map(|known| {
        let meant: Vec<char> = known.to_lowercase().chars().collect();
        // At most a third of the letters may differ, and at most three: beyond that, short names resemble one another
        // by chance. The lengths alone rule out most names.
        let most = (meant.len() / 3).min(3);
        if written.len().abs_diff(meant.len()) > most {
            return None;
        }
        let distance = distance(&written, &meant);
        (distance <= most).then_some((distance, known))
    });
    near.min_by_key(|&(distance, _)| distance).map(|(_, known)| known)
}

/// How many letters must be inserted, removed, replaced, or swapped with their neighbours to turn one name into the
/// other.
fn distance(one: &[char], other: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, &letter) in one.iter().enumerate() {
        let mut now = vec![row + 1];
        for (column, &wanted) in other.iter().enumerate() {
            let replaced = last[column] + usize::from(letter != wanted);
            let mut fewest = replaced.min(last[column + 1] + 1).min(now[column] + 1);
            if row > 0 && column > 0 && letter == other[column - 1] && one[row - 1] == wanted {
                fewest = fewest.min(before[column - 1] + 1);
            }
            now.push(fewest);
        }
        before = std::mem::replace(&mut last, now);
    }
    last[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let known = ["start_date", "end_date", "subdomain", "chats", "bans"];
        let slips = [
            ("startdate", Some("start_date")),
            ("START_DATE", Some("start_date")),
            ("subdoamin", Some("subdomain")),
            ("chat", Some("chats")),
            ("cahts", Some("chats")),
            ("tickets", None),
            ("", None),
            ("x", None),
        ];
        for (written, meant) in slips {
            assert_eq!(nearest(written, known), meant, "{written}");
        }
    }
}
