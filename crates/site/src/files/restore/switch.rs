//! Exchanging what was laid out with what is live, and back. Every step looks where things are before it moves them,
//! so that it can be cut short anywhere and done again.

use std::io;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{AtFlags, fremovexattr, fsync, syncfs};
use rustix::io::Errno;
use undercroft_model::Observer;
use undercroft_vault::stream::FileTime;
use undercroft_vault::tree::take::Xattrs;

use super::super::beneath::Root;
use super::super::facts::Facts;
use super::super::xattrs;
use super::error::SwitchError;
use super::ground::{Ground, Spot, set_time, split};
use super::kept::Kept;
use super::late::{Late, Losses};
use super::made::{self, ASIDE, Looks, Made, TREE, Unit};
use super::tally::Tally;
use super::{Staged, Way, Written};

/// What can be switched, as it was found.
pub struct Switch<'s> {
    staged: &'s Staged,
    made: Made,
    live: Ground,
    tree: Ground,
}

/// A step that failed: with what, what was tried, and why.
type Failed = (Vec<u8>, &'static str, io::Error);

fn failed(path: &[u8], action: &'static str) -> impl Fn(Errno) -> Failed {
    let path = path.to_vec();
    move |error| (path.clone(), action, error.into())
}

impl<'s> Switch<'s> {
    /// Reads the list; `None` if nothing was prepared.
    pub fn open(staged: &'s Staged) -> Result<Option<Self>, SwitchError> {
        let stage = staged.stage.as_path();
        let unreadable = |source: io::Error| SwitchError::List { list: Made::list(stage), source };
        let Some(made) = Made::read(stage).map_err(unreadable)? else { return Ok(None) };
        let grounds = grounds(staged).map_err(|error| unreadable(error.into()))?;
        let (live, tree) = grounds;
        Ok(Some(Switch { staged, made, live, tree }))
    }

    fn spots(&self, path: &[u8]) -> Result<(Spot, Spot), Failed> {
        let look = failed(path, "open the folder of");
        Ok((self.live.spot(path).map_err(&look)?, self.tree.spot(path).map_err(&look)?))
    }

    /// Where one of a unit's two sides waits while they are exchanged in steps.
    fn aside(&self, unit: &Unit) -> Result<Spot, Failed> {
        let folder = self.tree.root().folder(b"").map_err(failed(b"", "open the staging folder of"))?;
        Ok(Spot { folder, name: format!("{ASIDE}.{}", unit.new.unwrap_or_default()).into_bytes() })
    }

    /// The numbers of what is live, staged, and waiting aside.
    fn sides(&self, unit: &Unit, live: &Spot, tree: &Spot) -> Result<[Option<u64>; 3], Failed> {
        let look = failed(&unit.path, "look at");
        let inode = |spot: &Spot| Ok(spot.facts().map_err(&look)?.map(|facts| facts.inode));
        Ok([inode(live)?, inode(tree)?, inode(&self.aside(unit)?)?])
    }

    /// Makes all that was prepared live.
    pub fn forward(&self, observer: &dyn Observer) -> Result<(), SwitchError> {
        let done = self.all_forward();
        if let Err(error) = done {
            return Err(match self.all_back() {
                Ok(()) => self.error(error, true),
                Err(_) => self.error(error, false),
            });
        }
        self.carry(observer, Direction::Forward, Losses::LeftToTell);
        Ok(())
    }

    fn all_forward(&self) -> Result<(), Failed> {
        made::mark_switched(&self.staged.stage, super::super::mounts::now)
            .map_err(|error| (Vec::new(), "note the time of the switch of", error))?;
        self.made.units.iter().try_for_each(|unit| self.unit_forward(unit))?;
        self.made.kept.iter().try_for_each(|kept| self.keep(kept))?;
        for stay in &self.made.stays {
            self.look_like(&stay.path, stay.new, &stay.new_xattrs)?;
        }
        self.sync()
    }

    /// Makes live again what was.
    pub fn back(&self, observer: &dyn Observer) -> Result<(), SwitchError> {
        let was_switched = self.is_switched();
        self.all_back().map_err(|error| self.error(error, false))?;
        if was_switched {
            self.carry(observer, Direction::Back, Losses::Told(&[]));
        }
        let nothing = FileTime::default();
        // A later switch would only carry over too much.
        let _ = made::set_switched(&self.staged.stage, nothing);
        Ok(())
    }

    fn all_back(&self) -> Result<(), Failed> {
        self.made.kept.iter().try_for_each(|kept| self.keep_back(kept))?;
        self.made.units.iter().rev().try_for_each(|unit| self.unit_back(unit))?;
        for stay in self.made.stays.iter().filter(|stay| stay.new.is_some()) {
            self.look_like(&stay.path, stay.old, &stay.old_xattrs)?;
        }
        self.sync()
    }

    /// Whether any of it is live.
    pub fn is_switched(&self) -> bool {
        self.made.units.iter().any(|unit| self.unit_is_switched(unit).unwrap_or(false))
    }

    fn unit_is_switched(&self, unit: &Unit) -> Result<bool, Failed> {
        let look = failed(&unit.path, "look at");
        let live = self.live.inode(&unit.path).map_err(&look)?;
        match unit.new {
            Some(_) => Ok(live == unit.new),
            None => Ok(live.is_none() && self.tree.inode(&unit.path).map_err(&look)? == unit.old),
        }
    }

    /// What was left half done is ended: what is to stay is in its place, and what visitors brought is carried over.
    pub fn finish(&self, written: &[Written], observer: &dyn Observer) -> Result<(), SwitchError> {
        let between = |error| self.error(error, false);
        for unit in &self.made.units {
            if !self.unit_is_switched(unit).map_err(between)? {
                self.unit_back(unit).map_err(between)?;
            } else {
                self.unit_forward(unit).map_err(between)?;
            }
        }
        if self.is_switched() {
            self.made.kept.iter().try_for_each(|kept| self.keep(kept)).map_err(between)?;
            self.sync().map_err(between)?;
            self.carry(observer, Direction::Forward, Losses::Told(written));
        }
        Ok(())
    }

    fn unit_forward(&self, unit: &Unit) -> Result<(), Failed> {
        let (live, tree) = self.spots(&unit.path)?;
        let [is_live, is_tree, is_aside] = self.sides(unit, &live, &tree)?;
        let (away, swap) = (failed(&unit.path, "move away"), failed(&unit.path, "exchange"));
        if unit.new.is_none() {
            let still_there = is_live.is_some() && is_live == unit.old && is_tree.is_none();
            return if still_there { live.move_to(&tree).map_err(away) } else { Ok(()) };
        }
        if is_live != unit.new {
            if is_tree != unit.new {
                let gone = io::Error::other("what was prepared for it is not there any more");
                return Err((unit.path.clone(), "put in place", gone));
            }
            if is_live.is_some() {
                return self.exchange(unit, &tree, &live).map_err(swap);
            }
            tree.move_to(&live).map_err(swap)?;
        } else if is_tree.is_some() {
            return Ok(());
        }
        if is_aside.is_some() { self.aside(unit)?.move_to(&tree).map_err(away) } else { Ok(()) }
    }

    fn unit_back(&self, unit: &Unit) -> Result<(), Failed> {
        let (live, tree) = self.spots(&unit.path)?;
        let [is_live, is_tree, is_aside] = self.sides(unit, &live, &tree)?;
        let back = failed(&unit.path, "put back");
        if unit.new.is_none() {
            let moved = is_live.is_none() && is_tree.is_some() && is_tree == unit.old;
            return if moved { tree.move_to(&live).map_err(back) } else { Ok(()) };
        }
        if is_live == unit.new {
            if is_tree.is_some() {
                return self.exchange(unit, &tree, &live).map_err(back);
            }
            live.move_to(&tree).map_err(&back)?;
            return if is_aside.is_some() { self.aside(unit)?.move_to(&live).map_err(back) } else { Ok(()) };
        }
        if is_aside.is_some() && is_aside == unit.new {
            if is_live.is_none() && is_tree.is_some() {
                tree.move_to(&live).map_err(&back)?;
            }
            return self.aside(unit)?.move_to(&tree).map_err(back);
        }
        let waits = is_live.is_none() && is_aside.is_some();
        if waits { self.aside(unit)?.move_to(&live).map_err(back) } else { Ok(()) }
    }

    /// Exchanges two names; in three steps where the file system knows no exchange.
    fn exchange(&self, unit: &Unit, from: &Spot, to: &Spot) -> rustix::io::Result<()> {
        match swap(from, to) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
            done => return done,
        }
        let aside = self.aside(unit).map_err(|_| Errno::NOENT)?;
        to.move_to(&aside)?;
        if let Err(error) = from.move_to(to) {
            aside.move_to(to)?;
            return Err(error);
        }
        aside.move_to(from)
    }

    /// The unit that something that stays is in.
    fn unit_of(&self, path: &[u8]) -> Option<&Unit> {
        self.made.units.iter().find(|unit| {
            let rest = path.strip_prefix(unit.path.as_slice());
            unit.path.is_empty() || rest.is_some_and(|rest| rest.first() == Some(&b'/'))
        })
    }

    /// Moves what stays from what was live into what is.
    fn keep(&self, kept: &Kept) -> Result<(), Failed> {
        self.move_kept(kept, &self.tree, &self.live)
    }

    fn keep_back(&self, kept: &Kept) -> Result<(), Failed> {
        self.move_kept(kept, &self.live, &self.tree)
    }

    fn move_kept(&self, kept: &Kept, from: &Ground, to: &Ground) -> Result<(), Failed> {
        let Some(unit) = self.unit_of(&kept.path).filter(|_| !kept.mounted) else { return Ok(()) };
        if !self.unit_is_switched(unit)? {
            return Ok(());
        }
        let (look, go) = (failed(&kept.path, "look at"), failed(&kept.path, "move along"));
        let there = to.inode(&kept.path).map_err(&look)?;
        let here = from.inode(&kept.path).map_err(&look)?;
        // A link is in both; it is moved only if a newer file has taken its place since.
        let newer = kept.linked && here != Some(kept.inode) && there == Some(kept.inode);
        let missing = !kept.linked && there != Some(kept.inode);
        if here.is_none() || !(newer || missing) {
            return Ok(());
        }
        to.make_folders(split(&kept.path).0).map_err(&go)?;
        let (source, target) = (from.spot(&kept.path).map_err(&go)?, to.spot(&kept.path).map_err(&go)?);
        let times = [&source.folder, &target.folder].map(Facts::of_open);
        match there {
            Some(_) if newer => source.replace(&target).map_err(&go)?,
            // Something was made in its place in the meantime: what is in it is carried over later.
            Some(_) if here == Some(kept.inode) => swap(&source, &target).map_err(&go)?,
            Some(_) => return Ok(()),
            None => source.move_to(&target).map_err(&go)?,
        }
        // Neither folder looks as if something had happened.
        for (folder, facts) in [&source.folder, &target.folder].into_iter().zip(times) {
            let set = facts.and_then(|facts| set_time(folder, c"", facts.mtime, AtFlags::EMPTY_PATH));
            set.map_err(&go)?;
        }
        Ok(())
    }

    fn look_like(&self, path: &[u8], looks: Option<Looks>, attributes: &Xattrs) -> Result<(), Failed> {
        let Some(looks) = looks else { return Ok(()) };
        let folder = self.live.folder(path).map_err(failed(path, "open"))?;
        let now = xattrs::read(&folder).map_err(failed(path, "read the attributes of"))?;
        for (name, _) in now.iter().filter(|(name, _)| !attributes.iter().any(|(wanted, _)| wanted == name)) {
            // Who may not set one may not remove it either: that is counted nowhere here.
            let _ = fremovexattr(&folder, name.as_slice());
        }
        let new: Xattrs = attributes.iter().filter(|one| !now.contains(one)).cloned().collect();
        let set = looks.set(folder, &new, path, &Tally::default());
        set.map_err(failed(path, "set owner, permissions and time of"))
    }

    fn sync(&self) -> Result<(), Failed> {
        for unit in &self.made.units {
            let (live, tree) = self.spots(&unit.path)?;
            for folder in [&live.folder, &tree.folder] {
                fsync(folder).map_err(failed(&unit.path, "write to the disk the folder of"))?;
            }
        }
        Ok(())
    }

    /// Brings over what visitors left in the tree that is not live any more.
    fn carry(&self, observer: &dyn Observer, direction: Direction, losses: Losses<'_>) {
        let since = match direction {
            Direction::Forward => {
                let (seconds, nanos) = self.staged.since;
                Some(FileTime { seconds, nanos })
            }
            Direction::Back => made::when_switched(&self.staged.stage).ok().filter(|time| time.seconds > 0),
        };
        let Some(since) = since else { return };
        let (element, place) = (self.staged.element, self.staged.place.as_path());
        let late = Late { from: &self.tree, to: &self.live, place, since, losses, element, observer };
        // Where nothing was when it was prepared, something may have come since.
        for unit in &self.made.units {
            late.carry(&unit.path, if direction == Direction::Forward { unit.old } else { unit.new });
        }
        // What can't be synced now will be soon.
        let _ = syncfs(self.tree.root());
    }

    fn error(&self, (path, action, source): Failed, put_back: bool) -> SwitchError {
        let path = self.staged.place.join(std::ffi::OsStr::from_bytes(&path));
        match put_back {
            true => SwitchError::PutBack { path, action, source },
            false => SwitchError::Between { path, action, source },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Back,
}

/// The live tree and the staged one.
fn grounds(staged: &Staged) -> rustix::io::Result<(Ground, Ground)> {
    let live = match (staged.place.parent(), staged.place.file_name()) {
        (Some(parent), Some(name)) if staged.way == Way::Beside && !staged.partial => {
            Ground::new(Root::open(parent)?, name.as_bytes())
        }
        _ => Ground::new(Root::open_itself(&staged.place)?, Vec::new()),
    };
    Ok((live, Ground::new(Root::open_itself(&staged.stage)?, TREE)))
}

/// Exchanges two names in one step.
fn swap(a: &Spot, b: &Spot) -> rustix::io::Result<()> {
    #[cfg(test)]
    if tests::OLD_FILE_SYSTEM.get() {
        return Err(Errno::INVAL);
    }
    a.exchange(b)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::fs;

    use undercroft_model::{Element, Silent};
    use uuid::Uuid;

    use super::*;

    thread_local! {
        /// No two names can be exchanged in one step.
        pub static OLD_FILE_SYSTEM: Cell<bool> = const { Cell::new(false) };
    }

    fn inode(path: &std::path::Path) -> u64 {
        use std::os::unix::fs::MetadataExt;
        fs::metadata(path).unwrap().ino()
    }

    /// A live folder and a prepared one, each with a file that says which it is.
    fn prepared() -> (tempfile::TempDir, Staged) {
        let folder = tempfile::tempdir().unwrap();
        let (place, stage) = (folder.path().join("live"), folder.path().join("stage"));
        for (path, text) in [(&place, "old"), (&stage.join(TREE), "new")] {
            fs::create_dir_all(path).unwrap();
            fs::write(path.join("which"), text).unwrap();
        }
        let unit = Unit { path: Vec::new(), new: Some(inode(&stage.join(TREE))), old: Some(inode(&place)) };
        Made { units: vec![unit], ..Made::default() }.write(&stage).unwrap();
        let (element, way, parents) = (Element::Files, Way::Beside, Vec::new());
        let since = (i64::MAX, 0);
        let id = Uuid::nil();
        (folder, Staged { id, element, place, way, stage, parents, partial: false, since })
    }

    fn which(staged: &Staged) -> String {
        fs::read_to_string(staged.place.join("which")).unwrap()
    }

    fn open(staged: &Staged) -> Switch<'_> {
        Switch::open(staged).unwrap().unwrap()
    }

    #[test]
    fn an_old_file_system_switches_in_steps() {
        OLD_FILE_SYSTEM.set(true);
        let (_folder, staged) = prepared();
        for _ in 0..2 {
            open(&staged).forward(&Silent).unwrap();
            assert_eq!(which(&staged), "new");
            open(&staged).back(&Silent).unwrap();
            assert_eq!(which(&staged), "old");
        }
    }

    /// Every state between the steps, in either direction, and what each phase makes of it.
    #[test]
    fn a_switch_that_was_cut_short_between_steps_goes_on_or_back() {
        OLD_FILE_SYSTEM.set(true);
        for forward in [true, false] {
            for steps in 0..=3 {
                for phase in ["forward", "back", "finish"] {
                    let (_folder, staged) = prepared();
                    let switch = open(&staged);
                    if !forward {
                        switch.forward(&Silent).unwrap();
                    }
                    let unit = &switch.made.units[0];
                    let (live, tree) = switch.spots(b"").unwrap();
                    let aside = switch.aside(unit).unwrap();
                    for (from, to) in
                        [(&live, &aside), (&tree, &live), (&aside, &tree)].into_iter().take(steps)
                    {
                        from.move_to(to).unwrap();
                    }
                    let done = match phase {
                        "forward" => switch.forward(&Silent),
                        "back" => switch.back(&Silent),
                        _ => switch.finish(&[], &Silent),
                    };
                    // Nobody goes forward from halfway back.
                    if phase == "forward" && !forward && [1, 2].contains(&steps) {
                        continue;
                    }
                    done.unwrap();
                    let is_new = if forward { steps > 1 } else { steps == 0 };
                    let expected = match phase {
                        "forward" => "new",
                        "back" => "old",
                        _ if is_new => "new",
                        _ => "old",
                    };
                    assert_eq!(which(&staged), expected, "{phase} after {steps}, {forward}");
                }
            }
        }
    }
}
