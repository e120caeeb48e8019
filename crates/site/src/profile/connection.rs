//! Drupal's database: `$databases`, and Drupal 6's `$db_url`.

use undercroft_model::{Element, TlsMode};

use super::found::Spot;
use super::host::DbHost;
use super::parse_database_url;
use super::sheet::{DatabaseParts, Said, Sheet, Told, said};
use crate::php::{Array, Data, Key, Outcome, Value};

/// Finds the database in what `settings.php` came to. False if nothing there says where it is.
pub(super) fn find(outcome: &Outcome, file: &Spot, sheet: &mut Sheet) -> bool {
    note_others(outcome, sheet);
    let default =
        element(outcome.variable("databases"), "default").and_then(|all| element(Some(&all), "default"));
    match default {
        Some(Value { data: Data::Array(array), .. }) if !array.is_empty() => {
            Connection { outcome, array: &array, file }.write_down(sheet);
            true
        }
        Some(value) if value.why().is_some() => {
            let told =
                value.assumed().filter(|likely| likely.as_array().is_some_and(|array| !array.is_empty()));
            if let Said::Unclear { why, spot, .. } = said(outcome, Some(&value)) {
                let why = format!("$databases['default']['default'] can't be told: {why}");
                sheet.lacks(Element::Database, "database", why, spot.or(Some(file.clone())));
            }
            told.is_some()
        }
        _ => by_url(outcome, file, sheet),
    }
}

fn element(value: Option<&Value>, key: &str) -> Option<Value> {
    let value = value?;
    match &value.data {
        Data::Array(array) => array.find(&Key::from_text(key)),
        Data::Unknown(_) => Some(value.clone()),
        _ => None,
    }
}

/// Other databases than the site's own are not backed up: they belong to something else.
fn note_others(outcome: &Outcome, sheet: &mut Sheet) {
    let Some(all) = outcome.variable("databases").and_then(Value::as_array) else { return };
    let mut others: Vec<String> = Vec::new();
    for (key, value) in all.iter() {
        let name = match key {
            Key::Text(name) => name.to_string(),
            Key::Int(number) => number.to_string(),
        };
        if name != "default" {
            others.push(name);
        } else if let Some(targets) = value.as_array() {
            let more = targets.iter().filter_map(|(key, _)| match key {
                Key::Text(name) if &**name != "default" => Some(format!("default/{name}")),
                _ => None,
            });
            others.extend(more);
        }
    }
    if !others.is_empty() {
        sheet.note(format!(
            "the settings name other databases, which are not backed up with this site: {}",
            others.join(", ")
        ));
    }
}

/// Drupal 6: `$db_url = 'mysqli://user:password@host/schema'`, or an array of such.
fn by_url(outcome: &Outcome, file: &Spot, sheet: &mut Sheet) -> bool {
    let url = match outcome.variable("db_url") {
        Some(value) if value.as_array().is_some() => element(Some(value), "default"),
        value => value.cloned(),
    };
    let told = match said(outcome, url.as_ref()) {
        Said::Nothing => return false,
        Said::Text(told) => told,
        Said::Unclear { why, spot, .. } => {
            let spot = spot.or(Some(file.clone()));
            sheet.lacks(Element::Database, "database", format!("$db_url can't be told: {why}"), spot);
            return true;
        }
    };
    match parse_database_url(&told.text) {
        Ok(mut target) => {
            sheet.found("database name", target.schema.clone(), told.spot.clone(), None);
            sheet.found("database user", target.user.clone(), told.spot.clone(), None);
            sheet.found("database password", "********", told.spot.clone(), None);
            sheet.found("database host", super::host::show(&target.address), told.spot, None);
            target.table_prefix = prefix(outcome, outcome.variable("db_prefix")).map(|told| told.text);
            sheet.settings.database = Some(target);
        }
        Err(error) => sheet.lacks(Element::Database, "database", format!("$db_url: {error}"), told.spot),
    }
    true
}

/// A prefix: a text, or an array whose `default` is meant for all tables that it doesn't name.
fn prefix(outcome: &Outcome, value: Option<&Value>) -> Option<Told> {
    let value = value?;
    let inner = match value.as_array() {
        Some(_) => element(Some(value), "default"),
        None => Some(value.clone()),
    };
    said(outcome, inner.as_ref()).likely().filter(|told| !told.text.is_empty())
}

/// One entry of `$databases`.
struct Connection<'a> {
    outcome: &'a Outcome,
    array: &'a Array,
    file: &'a Spot,
}

impl Connection<'_> {
    fn get(&self, key: &str) -> Option<Value> {
        self.array.find(&Key::from_text(key))
    }

    fn said(&self, key: &str) -> Said {
        said(self.outcome, self.get(key).as_ref())
    }

    fn write_down(&self, sheet: &mut Sheet) {
        let driver = self.said("driver").likely().or_else(|| self.said("namespace").likely());
        if let Some(told) = &driver
            && !["mysql", "mysqli", "mariadb"]
                .iter()
                .any(|known| told.text.to_ascii_lowercase().contains(known))
        {
            let why = format!(
                "the database is of the kind \"{}\": only MySQL and MariaDB are backed up",
                told.text
            );
            return sheet.lacks(Element::Database, "database", why, told.spot.clone());
        }
        let (tls, tls_ca) = self.tls();
        let (host, address) = self.address(sheet);
        sheet.database(DatabaseParts {
            names: ["'database'", "'username'", "'password'"],
            schema: self.said("database"),
            user: self.said("username"),
            password: self.said("password"),
            host,
            address,
            tls,
            tls_ca,
            prefix: prefix(self.outcome, self.get("prefix").as_ref()),
            file: self.file.clone(),
        });
        if self
            .get("init_commands")
            .is_some_and(|value| value.as_array().is_some_and(|array| !array.is_empty()))
        {
            sheet.note("the settings send commands of their own at each connection (init_commands); a dump does not need them");
        }
    }

    /// The socket wins over the host, as in Drupal.
    fn address(&self, sheet: &mut Sheet) -> (Option<Told>, Option<DbHost>) {
        if let Some(socket) = self.said("unix_socket").likely() {
            let address = DbHost { socket: Some(socket.text.clone().into()), ..DbHost::default() };
            return (Some(socket), Some(address));
        }
        let host = self.said("host");
        let port = self.said("port").likely();
        let port_number = match &port {
            Some(port) if !port.text.is_empty() => match port.text.parse() {
                Ok(number) => Some(number),
                Err(_) => return (Some(port.clone()), None),
            },
            _ => None,
        };
        match host {
            Said::Unclear { spot, likely: None, why } => {
                sheet.note(format!("the database's host can't be told: {why}"));
                (Some(Told { text: String::new(), spot, doubt: None }), None)
            }
            host => {
                let told = host.likely();
                let name = told.as_ref().map(|told| told.text.clone()).unwrap_or_default();
                (told, Some(DbHost { host: name, port: port_number, socket: None }))
            }
        }
    }

    /// TLS as the options of PDO say it.
    fn tls(&self) -> (TlsMode, Option<std::path::PathBuf>) {
        let Some(options) = self.get("pdo") else { return (TlsMode::Off, None) };
        // By name, or by the numbers that the names stand for.
        let option = |name: &str, number: i64| {
            let named = element(Some(&options), &format!("PDO::MYSQL_ATTR_SSL_{name}"));
            named.or_else(|| options.as_array().and_then(|array| array.get(&Key::Int(number)).cloned()))
        };
        let ca =
            said(self.outcome, option("CA", 1009).as_ref()).likely().filter(|told| !told.text.is_empty());
        let others = [("KEY", 1007), ("CERT", 1008), ("CAPATH", 1010), ("CIPHER", 1011)];
        let any = ca.is_some() || others.iter().any(|(name, number)| option(name, *number).is_some());
        let verify = option("VERIFY_SERVER_CERT", 1014).map(|value| value.data);
        let tls = match (any, verify) {
            (false, Some(Data::Bool(true) | Data::Int(1))) => TlsMode::Verify,
            (false, _) => TlsMode::Off,
            (true, Some(Data::Bool(false) | Data::Int(0))) => TlsMode::Unverified,
            (true, _) => TlsMode::Verify,
        };
        (tls, ca.map(|told| told.text.into()))
    }
}
