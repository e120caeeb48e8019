//! What the account may see. A server does not say that it hides something: triggers, events and routines
//! without the right to see them simply are not there.

use undercroft_model::{Observer, Remark};

use super::error::DatabaseError;
use super::quote;
use super::server::Server;
use super::wire::Connection;

/// The rights of the account that the connection logged in as.
#[derive(Debug)]
pub(super) struct Rights {
    server: Server,
    schema: String,
    /// The account as the server knows it, quoted.
    account: String,
    grants: Vec<Grant>,
}

/// Some privileges on something.
#[derive(Debug, PartialEq, Eq)]
struct Grant {
    /// Whether they are taken away, rather than given.
    revoked: bool,
    privileges: Vec<String>,
    level: Level,
}

/// What privileges are on.
#[derive(Debug, PartialEq, Eq)]
enum Level {
    Everything,
    /// A schema's name, in which `%`, `_` and `\` mean what they mean in LIKE.
    Schema(String),
    /// A table: its schema and name.
    Table(String, String),
    Other,
}

/// The server runs with an option that rules the statement out: `--skip-grant-tables`.
const UNCHECKED: u16 = 1290;

/// Reads the account's rights.
pub(super) fn read(
    connection: &mut Connection,
    server: Server,
    schema: &str,
    watch: &dyn Observer,
) -> Result<Rights, DatabaseError> {
    connection.set_doing("reading the account's rights");
    let account = connection.record("SELECT CURRENT_USER() AS account", watch)?.text("account");
    let mut lines = match connection.table("SHOW GRANTS", watch) {
        Ok(lines) => lines,
        // A server that was told to check nobody's rights has none to show.
        Err(error) if error.code() == Some(UNCHECKED) => {
            vec![vec![Some(b"GRANT ALL PRIVILEGES ON *.* TO ''@''".to_vec())]]
        }
        Err(error) => return Err(error),
    };
    if server.is_mysql(8, 0, 0) {
        // MySQL tells a role's rights only if it is named.
        let roles = connection.record("SELECT CURRENT_ROLE() AS roles", watch)?.text("roles");
        if !roles.is_empty() && roles != "NONE" {
            lines.extend(connection.table(&format!("SHOW GRANTS FOR CURRENT_USER() USING {roles}"), watch)?);
        }
    }
    let texts = lines.into_iter().filter_map(|line| line.into_iter().next().flatten());
    let grants = texts.filter_map(|text| parse(&String::from_utf8_lossy(&text))).collect();
    Ok(Rights { server, schema: schema.to_owned(), account: quoted_account(&account), grants })
}

/// `shop@localhost` as `'shop'@'localhost'`.
fn quoted_account(account: &str) -> String {
    match account.rsplit_once('@') {
        Some((user, host)) => format!("{}@{}", quote::text(user), quote::text(host)),
        None => quote::text(account),
    }
}

impl Rights {
    /// What may be missing from the dump, since the account would not see it, and how to mend that.
    pub(super) fn missing(&self) -> Vec<Remark> {
        let lost = |hidden: &str, right: &str| {
            let text = format!(
                "the account {} may not see {hidden}: if there are any, they are not in the dump; grant it with \
                 GRANT {right} ON {}.* TO {}",
                self.account,
                quote::name(&self.schema),
                self.account
            );
            Remark::lost("", text)
        };
        let mut missing = Vec::new();
        if !self.has("SELECT") {
            missing.push(lost("all tables of the schema", "SELECT, SHOW VIEW"));
        }
        if !self.has("TRIGGER") {
            missing.push(lost("triggers", "TRIGGER"));
        }
        if !self.has("EVENT") {
            missing.push(lost("events", "EVENT"));
        }
        if !self.sees_routines() {
            let text = format!(
                "the account {} may not see stored procedures and functions: if there are any, they are not in the \
                 dump; {}",
                self.account,
                self.advice_for_routines()
            );
            missing.push(Remark::lost("", text));
        }
        missing
    }

    /// How to let the account see views' definitions; empty if it may.
    pub(super) fn advice_for_views(&self) -> String {
        if self.has("SHOW VIEW") && self.has("SELECT") {
            return String::new();
        }
        let schema = quote::name(&self.schema);
        format!("; grant it with GRANT SELECT, SHOW VIEW ON {schema}.* TO {}", self.account)
    }

    /// How to let the account see what routines do.
    pub(super) fn advice_for_routines(&self) -> String {
        let (account, schema) = (&self.account, quote::name(&self.schema));
        if self.server.is_mysql(8, 0, 20) {
            format!("grant it with GRANT SHOW_ROUTINE ON *.* TO {account}")
        } else if self.server.is_mysql(8, 0, 0) {
            format!("grant it with GRANT SELECT ON *.* TO {account}")
        } else if self.server.is_mariadb(11, 3) {
            format!("grant it with GRANT SHOW CREATE ROUTINE ON {schema}.* TO {account}")
        } else {
            format!("grant it with GRANT SELECT ON mysql.proc TO {account}")
        }
    }

    /// Whether the account has a privilege on the whole schema.
    pub(super) fn has(&self, privilege: &str) -> bool {
        self.has_on(&self.schema, privilege)
    }

    fn has_on(&self, schema: &str, privilege: &str) -> bool {
        let mut has = false;
        for grant in &self.grants {
            let on_schema = match &grant.level {
                Level::Everything => true,
                Level::Schema(pattern) => is_like(schema, pattern),
                Level::Table(..) | Level::Other => false,
            };
            if on_schema && grant.gives(privilege) {
                has = !grant.revoked;
            }
        }
        has
    }

    /// Whether the account has a privilege on all schemas.
    pub(super) fn has_everywhere(&self, privilege: &str) -> bool {
        self.grants.iter().any(|grant| grant.level == Level::Everything && grant.gives(privilege))
    }

    /// Whether the account may make programs in another account's name. (Who may not, makes them in its own.)
    pub(super) fn may_set_definers(&self) -> bool {
        ["SUPER", "SET USER", "SET_USER_ID", "SET_ANY_DEFINER"].iter().any(|right| self.has_everywhere(right))
    }

    /// The same in the name of an account that is not there: MySQL asks for one more right since 8.2.
    pub(super) fn may_set_missing_definers(&self) -> bool {
        let has = |right| self.has_everywhere(right);
        ["SUPER", "SET USER", "SET_USER_ID"].into_iter().any(has)
            || (has("SET_ANY_DEFINER") && has("ALLOW_NONEXISTENT_DEFINER"))
    }

    /// The statement that lets the account make programs in the names of others, also of accounts that are not there.
    pub(super) fn grant_for_definers(&self) -> String {
        let right = if self.server.is_mysql(8, 2, 0) {
            "SET_ANY_DEFINER, ALLOW_NONEXISTENT_DEFINER"
        } else if self.server.is_mysql(8, 0, 0) {
            "SET_USER_ID"
        } else if self.server.is_mariadb(10, 5) {
            "SET USER"
        } else {
            "SUPER"
        };
        format!("GRANT {right} ON *.* TO {}", self.account)
    }

    /// Which of these privileges the account lacks on the whole schema.
    pub(super) fn lacks(&self, privileges: &[&'static str]) -> Vec<&'static str> {
        privileges.iter().copied().filter(|privilege| !self.has(privilege)).collect()
    }

    /// The account, as `GRANT` takes it.
    pub(super) fn account(&self) -> &str {
        &self.account
    }

    /// Which of these privileges the account lacks on another schema, which need not be there.
    pub(super) fn lacks_on(&self, schema: &str, privileges: &[&'static str]) -> Vec<&'static str> {
        privileges.iter().copied().filter(|privilege| !self.has_on(schema, privilege)).collect()
    }

    /// Whether the account knows of every routine, even if not of what it does.
    fn sees_routines(&self) -> bool {
        let on_proc = |grant: &Grant| {
            let is_proc = match &grant.level {
                Level::Schema(pattern) => is_like("mysql", pattern),
                Level::Table(schema, table) => schema == "mysql" && table == "proc",
                Level::Everything | Level::Other => false,
            };
            is_proc && grant.gives("SELECT") && !self.server.is_mysql(8, 0, 0)
        };
        ["EXECUTE", "CREATE ROUTINE", "ALTER ROUTINE", "SHOW CREATE ROUTINE"]
            .iter()
            .any(|right| self.has(right))
            || self.has_everywhere("SHOW_ROUTINE")
            || self.has_everywhere("SELECT")
            || self.grants.iter().any(on_proc)
    }
}

impl Grant {
    fn gives(&self, privilege: &str) -> bool {
        self.privileges.iter().any(|given| given == privilege || given == "ALL PRIVILEGES" || given == "ALL")
    }
}

/// Reads a line of `SHOW GRANTS`; `None` for one that grants no privileges, such as a role's name.
fn parse(line: &str) -> Option<Grant> {
    let (revoked, rest) = match (line.strip_prefix("GRANT "), line.strip_prefix("REVOKE ")) {
        (Some(rest), _) => (false, rest),
        (None, Some(rest)) => (true, rest),
        (None, None) => return None,
    };
    let (privileges, rest) = split_outside(rest, " ON ")?;
    let (object, _) = split_outside(rest, if revoked { " FROM " } else { " TO " })?;
    let mut names = Vec::new();
    let mut left = privileges;
    loop {
        let (name, after) = split_outside(left, ",").unwrap_or((left, ""));
        // Privileges on some columns only are none on the table.
        if !name.contains('(') {
            names.push(name.trim().to_uppercase());
        }
        if after.is_empty() {
            return Some(Grant { revoked, privileges: names, level: level(object) });
        }
        left = after;
    }
}

fn level(object: &str) -> Level {
    if object == "*.*" {
        return Level::Everything;
    }
    let Some((schema, table)) = split_outside(object, ".") else { return Level::Other };
    match (unquoted(schema), unquoted(table)) {
        (Some(schema), None) if table == "*" => Level::Schema(schema),
        (Some(schema), Some(table)) => Level::Table(schema, table),
        _ => Level::Other,
    }
}

/// A name without its backticks; `None` if it has none.
fn unquoted(name: &str) -> Option<String> {
    let inner = name.strip_prefix('`')?.strip_suffix('`')?;
    Some(inner.replace("``", "`"))
}

/// Splits at a mark that stands in no quotes and no parentheses.
fn split_outside<'l>(line: &'l str, mark: &str) -> Option<(&'l str, &'l str)> {
    let (mut quote, mut depth) = (None, 0_u32);
    for (place, c) in line.char_indices() {
        let rest = line.get(place..).unwrap_or_default();
        if quote.is_none()
            && depth == 0
            && let Some(after) = rest.strip_prefix(mark)
        {
            return line.get(..place).map(|before| (before, after));
        }
        match (quote, c) {
            (None, '`' | '\'' | '"') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// Whether a name matches a pattern as LIKE has them.
fn is_like(name: &str, pattern: &str) -> bool {
    let mut rest = pattern.chars();
    match rest.next() {
        None => name.is_empty(),
        Some('%') => {
            let after = rest.as_str();
            (0..=name.len()).filter_map(|place| name.get(place..)).any(|tail| is_like(tail, after))
        }
        Some(wanted) => {
            let wanted =
                if wanted == '\\' { rest.next().map(Some) } else { Some((wanted != '_').then_some(wanted)) };
            let mut name = name.chars();
            match (wanted, name.next()) {
                (Some(wanted), Some(found)) if wanted.is_none_or(|wanted| wanted == found) => {
                    is_like(name.as_str(), rest.as_str())
                }
                _ => false,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rights(version: &str, lines: &[&str]) -> Rights {
        Rights {
            server: Server::parse(version),
            schema: "my_shop".to_owned(),
            account: "'u'@'h'".to_owned(),
            grants: lines.iter().filter_map(|line| parse(line)).collect(),
        }
    }

    fn hidden(version: &str, lines: &[&str]) -> Vec<&'static str> {
        let words = ["all tables", "triggers", "events", "stored procedures"];
        let missing = rights(version, lines).missing();
        words.into_iter().filter(|word| missing.iter().any(|remark| remark.text.contains(word))).collect()
    }

    #[test]
    fn whoever_owns_the_schema_sees_it_all() {
        for grant in [
            "GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION",
            "GRANT ALL PRIVILEGES ON `my\\_shop`.* TO `u`@`h`",
            "GRANT ALL PRIVILEGES ON `my%`.* TO `u`@`h`",
            "GRANT SELECT, TRIGGER, EVENT, EXECUTE ON `my_shop`.* TO 'u'@'h'",
        ] {
            assert!(
                hidden("10.11.19-MariaDB", &["GRANT USAGE ON *.* TO `u`@`h`", grant]).is_empty(),
                "{grant}"
            );
        }
    }

    #[test]
    fn what_is_hidden_is_told() {
        let reader = "GRANT SELECT, LOCK TABLES ON `my\\_shop`.* TO `u`@`h`";
        assert_eq!(hidden("10.11.19-MariaDB", &[reader]), ["triggers", "events", "stored procedures"]);
        let proc = "GRANT SELECT ON `mysql`.`proc` TO `u`@`h`";
        assert_eq!(hidden("10.11.19-MariaDB", &[reader, proc]), ["triggers", "events"]);
        let everywhere = "GRANT SELECT, TRIGGER ON *.* TO `u`@`h`";
        assert_eq!(hidden("8.0.36", &[everywhere]), ["events"]);
        let other = "GRANT ALL PRIVILEGES ON `myXshops`.* TO `u`@`h`";
        assert_eq!(hidden("8.0.36", &[other]).len(), 4);
        let columns = "GRANT SELECT (`a, b ON `, c), INSERT ON `my_shop`.`t` TO `u`@`h`";
        assert_eq!(hidden("8.0.36", &[columns]).len(), 4);
        let revoked = "REVOKE TRIGGER ON `my_shop`.* FROM `u`@`h`";
        assert_eq!(hidden("8.0.36", &["GRANT ALL ON *.* TO `u`@`h`", revoked]), ["triggers"]);
    }

    #[test]
    fn the_grant_that_mends_it_is_told() {
        let told = |version: &str| rights(version, &[]).missing().pop().unwrap().text;
        assert!(told("8.0.36").ends_with("GRANT SHOW_ROUTINE ON *.* TO 'u'@'h'"));
        assert!(told("5.7.44").ends_with("GRANT SELECT ON mysql.proc TO 'u'@'h'"));
        assert!(told("11.8.2-MariaDB").ends_with("GRANT SHOW CREATE ROUTINE ON `my_shop`.* TO 'u'@'h'"));
    }
}
