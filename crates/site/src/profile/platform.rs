//! Databases that a hosting platform tells in the environment instead of in the settings.

use std::collections::HashMap;

use undercroft_model::{DatabaseAddress, DatabaseTarget, Secret, TlsMode};

use super::host::PORT;
use super::parse_database_url;

/// Looks for a database in the variables that a platform sets. With it comes the variable's name.
pub(super) fn database(variables: &HashMap<String, String>) -> Option<(DatabaseTarget, &'static str)> {
    let json = |name: &str| serde_json::from_str::<serde_json::Value>(variables.get(name)?).ok();
    let pantheon = || {
        let all = json("PRESSFLOW_SETTINGS")?;
        target(all.pointer("/databases/default/default")?).map(|found| (found, "PRESSFLOW_SETTINGS"))
    };
    let platform_sh = || {
        let text = crate::php::base64_text(variables.get("PLATFORM_RELATIONSHIPS")?)?;
        let all: serde_json::Value = serde_json::from_str(&text).ok()?;
        let all = all.as_object()?;
        let mysql = |service: &&serde_json::Value| {
            service.get("scheme").and_then(|scheme| scheme.as_str()).is_none_or(|scheme| scheme == "mysql")
        };
        let named = all.get("database").and_then(|services| services.get(0));
        let any = all
            .values()
            .filter_map(|services| services.get(0))
            .find(|service| service.get("scheme").and_then(|scheme| scheme.as_str()) == Some("mysql"));
        target(named.filter(mysql).or(any)?).map(|found| (found, "PLATFORM_RELATIONSHIPS"))
    };
    let lando = || {
        let all = json("LANDO_INFO")?;
        let service = all.get("database")?;
        let mut found = target(service.get("creds")?)?;
        found.address = address(service.get("internal_connection")?)?;
        Some((found, "LANDO_INFO"))
    };
    let url = || parse_database_url(variables.get("DATABASE_URL")?).ok().map(|found| (found, "DATABASE_URL"));
    pantheon().or_else(platform_sh).or_else(lando).or_else(url)
}

/// A database from a JSON object; the names of its members differ among platforms.
fn target(json: &serde_json::Value) -> Option<DatabaseTarget> {
    let text = |names: &[&str]| names.iter().find_map(|name| json.get(name)?.as_str().map(str::to_owned));
    Some(DatabaseTarget {
        address: address(json).unwrap_or(DatabaseAddress::Localhost),
        user: text(&["username", "user"])?,
        password: Secret::new(text(&["password"]).unwrap_or_default()),
        schema: text(&["database", "path"])?,
        tls: TlsMode::Off,
        tls_ca: None,
        table_prefix: text(&["prefix"]).filter(|prefix| !prefix.is_empty()),
        structure_only: Vec::new(),
    })
}

fn address(json: &serde_json::Value) -> Option<DatabaseAddress> {
    let host = json.get("host")?.as_str()?;
    let port = match json.get("port") {
        Some(serde_json::Value::String(port)) => port.parse().ok()?,
        Some(port) => port.as_u64().and_then(|port| u16::try_from(port).ok())?,
        None => PORT,
    };
    Some(DatabaseAddress::Tcp(host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str, value: &str) -> (DatabaseTarget, &'static str) {
        database(&HashMap::from([(name.to_owned(), value.to_owned())])).unwrap()
    }

    #[test]
    fn platforms_tell_their_databases() {
        let (target, by) = found(
            "PRESSFLOW_SETTINGS",
            r#"{"databases":{"default":{"default":{"driver":"mysql","database":"pantheon","username":"p","password":"x","host":"dbserver","port":10127}}}}"#,
        );
        assert_eq!((target.schema.as_str(), by), ("pantheon", "PRESSFLOW_SETTINGS"));
        assert_eq!(target.address, DatabaseAddress::Tcp("dbserver".into(), 10127));
        let (target, _) = found(
            "LANDO_INFO",
            r#"{"database":{"creds":{"database":"drupal10","user":"u","password":"p"},"internal_connection":{"host":"database","port":"3306"}}}"#,
        );
        assert_eq!(target.address, DatabaseAddress::Tcp("database".into(), 3306));
        // {"database":[{"scheme":"mysql","host":"database.internal","port":3306,"username":"user","password":"","path":"main"}]}
        let (target, _) = found(
            "PLATFORM_RELATIONSHIPS",
            "eyJkYXRhYmFzZSI6W3sic2NoZW1lIjoibXlzcWwiLCJob3N0IjoiZGF0YWJhc2UuaW50ZXJuYWwiLCJwb3J0IjozMzA2LCJ1c2VybmFtZSI6InVzZXIiLCJwYXNzd29yZCI6IiIsInBhdGgiOiJtYWluIn1dfQ==",
        );
        assert_eq!((target.schema.as_str(), target.user.as_str()), ("main", "user"));
        let (target, by) = found("DATABASE_URL", "mysql://u:p@h/d");
        assert_eq!((target.schema.as_str(), by), ("d", "DATABASE_URL"));
        assert!(database(&HashMap::new()).is_none());
    }
}
