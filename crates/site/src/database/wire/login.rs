//! Proving who we are: the server's greeting, encryption if it is wanted, and the account's way to log in.

use mysql_common::auth::plugins::{AuthProc, ChallengeResponsePlugin as _, Context, Response};
use mysql_common::constants::CapabilityFlags as Can;
use mysql_common::io::ParseBuf;
use mysql_common::packets::{AuthPlugin, AuthSwitchRequest, HandshakePacket, HandshakeResponse, SslRequest};
use mysql_common::proto::{MyDeserialize as _, MySerialize as _};
use undercroft_model::{DatabaseAddress, DatabaseTarget, Observer, TlsMode};
use zeroize::Zeroizing;

use super::packet::{PacketError, Packets};
use super::tls::{self, Trust};
use super::transport::Stream;

/// The longest packet that we take.
const PACKET_MAX: u32 = 1 << 30;
/// The number of `utf8mb4_general_ci`, which every server since MySQL 5.5 knows.
const UTF8MB4: u8 = 45;

/// Why nobody was let in.
#[derive(Debug)]
pub(super) enum LoginError {
    /// The connection failed.
    Packet(PacketError),
    /// The server said no, with a number.
    Refused { code: u16, message: Vec<u8> },
    /// The connection can't be encrypted.
    Tls(String),
    /// The account's way to log in is not ours.
    Plugin(String),
}

impl From<PacketError> for LoginError {
    fn from(error: PacketError) -> Self {
        LoginError::Packet(error)
    }
}

/// Logs in; gives the connection and the server's version as it says it.
pub(super) fn log_in(
    mut packets: Packets,
    target: &DatabaseTarget,
    watch: &dyn Observer,
) -> Result<(Packets, String), LoginError> {
    let greeting = greeting(packets.next(watch)?)?;
    let version = greeting.server_version_str().into_owned();
    let wanted = Can::CLIENT_LONG_PASSWORD
        | Can::CLIENT_LONG_FLAG
        | Can::CLIENT_PROTOCOL_41
        | Can::CLIENT_TRANSACTIONS
        | Can::CLIENT_SECURE_CONNECTION
        | Can::CLIENT_PLUGIN_AUTH
        // Said before encryption begins, too: MySQL goes by what it heard first.
        | Can::CLIENT_CONNECT_WITH_DB
        | Can::CLIENT_PLUGIN_AUTH_LENENC_CLIENT_DATA;
    let mut abilities = wanted & greeting.capabilities();
    if target.tls != TlsMode::Off && !packets.stream().is_local() {
        if !greeting.capabilities().contains(Can::CLIENT_SSL) {
            return Err(LoginError::Tls("the server does not offer encryption; turn it on there".to_owned()));
        }
        abilities |= Can::CLIENT_SSL;
        packets = encrypt(packets, target, abilities)?;
    }

    let context = Proof::new(target, &packets, greeting.nonce());
    // A plugin that we don't know may be only the server's default, and the account's another.
    let plugin = greeting.auth_plugin().filter(|plugin| !matches!(plugin, AuthPlugin::Other(_)));
    let plugin = plugin.unwrap_or(AuthPlugin::MysqlNativePassword).into_owned();
    let mut procedure = begin(&plugin, &context)?;
    let first = procedure.run(&context, &context.nonce).map_err(|error| failed(&plugin, &error))?;
    let response = HandshakeResponse::new(
        Some(first.data().unwrap_or_default()),
        (8, 0, 0), // only decides the collation: utf8mb4_general_ci
        Some(target.user.as_bytes()),
        Some(target.schema.as_bytes()),
        Some(plugin),
        abilities,
        None,
        PACKET_MAX,
    );
    let mut bytes = Zeroizing::new(Vec::new());
    response.serialize(&mut bytes);
    packets.send(&bytes)?;
    prove(&mut packets, &context, procedure, watch)?;
    packets.wait_on();
    Ok((packets, version))
}

fn greeting(packet: &[u8]) -> Result<HandshakePacket<'static>, LoginError> {
    if let Some((code, message)) = refusal(packet) {
        return Err(LoginError::Refused { code, message });
    }
    let greeting = HandshakePacket::deserialize((), &mut ParseBuf(packet));
    let garbled = |_| LoginError::Packet(PacketError::Garbled("no greeting of a database server"));
    let greeting = greeting.map_err(garbled)?.into_owned();
    if greeting.protocol_version() != 10 || !greeting.capabilities().contains(Can::CLIENT_PROTOCOL_41) {
        return Err(LoginError::Packet(PacketError::Garbled(
            "the greeting of a server older than MySQL 5.5",
        )));
    }
    Ok(greeting)
}

/// The number and text of an error packet.
pub(super) fn refusal(packet: &[u8]) -> Option<(u16, Vec<u8>)> {
    let rest = packet.strip_prefix(&[0xFF])?;
    let (code, text) = rest.split_first_chunk::<2>()?;
    let text = match text.strip_prefix(b"#") {
        Some(text) => text.get(5..).unwrap_or_default(),
        None => text,
    };
    Some((u16::from_le_bytes(*code), text.to_vec()))
}

/// Asks for encryption and puts it over the connection.
fn encrypt(mut packets: Packets, target: &DatabaseTarget, abilities: Can) -> Result<Packets, LoginError> {
    let mut bytes = Vec::new();
    SslRequest::new(abilities, PACKET_MAX, UTF8MB4).serialize(&mut bytes);
    packets.send(&bytes)?;
    let trust = match target.tls {
        TlsMode::Verify => Trust::Authorities(target.tls_ca.as_deref()),
        TlsMode::Off | TlsMode::Unverified => Trust::Anyone,
    };
    let host = match &target.address {
        DatabaseAddress::Tcp(host, _) => host,
        DatabaseAddress::Localhost | DatabaseAddress::Socket(_) => "127.0.0.1",
    };
    packets.map_stream(|stream| match stream {
        Stream::Tcp(tcp) => tls::encrypt(tcp, host, trust).map(Stream::Tls).map_err(LoginError::Tls),
        other => Ok(other),
    })
}

/// Answers what the server asks until it lets us in.
fn prove(
    packets: &mut Packets,
    first: &Proof<'_>,
    mut procedure: Procedure,
    watch: &dyn Observer,
) -> Result<(), LoginError> {
    let mut context = Proof { nonce: first.nonce.clone(), ..*first };
    let mut plugin = AuthPlugin::MysqlNativePassword;
    // No way to log in takes more rounds than a few; a server that asks for ever is none.
    for _ in 0..16 {
        let packet = packets.next(watch)?;
        if let Some((code, message)) = refusal(packet) {
            return Err(LoginError::Refused { code, message });
        }
        let answer = match packet.split_first() {
            Some((0x00, _)) => return Ok(()),
            Some((0xFE, [])) => return Err(plugin_refused("mysql_old_password", OLD)),
            Some((0xFE, _)) => {
                let request = AuthSwitchRequest::deserialize((), &mut ParseBuf(packet));
                let garbled = |_| LoginError::Packet(PacketError::Garbled("no way to log in"));
                let request = request.map_err(garbled)?;
                plugin = request.auth_plugin().into_owned();
                context.nonce = request.plugin_data().to_vec();
                procedure = begin(&plugin, &context)?;
                procedure.run(&context, &context.nonce)
            }
            Some((0x01, challenge)) => procedure.run(&context, challenge),
            _ => return Err(LoginError::Packet(PacketError::Garbled("no answer to the login"))),
        };
        if let Some(data) = answer.map_err(|error| failed(&plugin, &error))?.data() {
            packets.send(data)?;
        }
    }
    Err(LoginError::Packet(PacketError::Garbled("questions without end instead of an answer to the login")))
}

const OLD: &str = "it is that of MySQL 4.0 and protects nothing; give the account a new password";
const CLEAR: &str = "it shows the password to the network; use a socket or an encrypted connection";

/// A plugin's side of the conversation.
enum Procedure {
    Known(AuthProc),
    /// The operating system tells the server who we are; there is nothing to say.
    Socket,
}

impl Procedure {
    fn run(
        &mut self,
        context: &Proof<'_>,
        challenge: &[u8],
    ) -> Result<Response, mysql_common::auth::plugins::Error> {
        match self {
            Procedure::Known(procedure) => procedure.run(context, challenge),
            Procedure::Socket => Ok(Response::last_empty()),
        }
    }
}

fn begin(plugin: &AuthPlugin<'_>, context: &Proof<'_>) -> Result<Procedure, LoginError> {
    match plugin {
        AuthPlugin::MysqlOldPassword => Err(plugin_refused("mysql_old_password", OLD)),
        AuthPlugin::MysqlClearPassword if !context.local && !context.encrypted => {
            Err(plugin_refused("mysql_clear_password", CLEAR))
        }
        AuthPlugin::Other(name) if matches!(&**name, b"unix_socket" | b"auth_socket") => {
            Ok(Procedure::Socket)
        }
        known => known.init().map(Procedure::Known).map_err(|_| unknown(known)),
    }
}

fn unknown(plugin: &AuthPlugin<'_>) -> LoginError {
    let name = String::from_utf8_lossy(plugin.as_bytes());
    plugin_refused(&name, "it is not supported; use an account that has a password")
}

fn failed(plugin: &AuthPlugin<'_>, error: &mysql_common::auth::plugins::Error) -> LoginError {
    plugin_refused(&String::from_utf8_lossy(plugin.as_bytes()), &error.to_string())
}

fn plugin_refused(plugin: &str, why: &str) -> LoginError {
    LoginError::Plugin(format!("the server asks for the plugin {plugin}: {why}"))
}

/// What a plugin needs to know.
struct Proof<'a> {
    password: &'a [u8],
    local: bool,
    encrypted: bool,
    nonce: Vec<u8>,
}

impl<'a> Proof<'a> {
    fn new(target: &'a DatabaseTarget, packets: &Packets, nonce: Vec<u8>) -> Self {
        Proof {
            password: target.password.reveal().as_bytes(),
            local: packets.stream().is_local(),
            encrypted: packets.stream().is_encrypted(),
            nonce,
        }
    }
}

impl Context for &Proof<'_> {
    fn pass(&self) -> &[u8] {
        self.password
    }
    fn is_ipc_transport(&self) -> bool {
        self.local
    }
    fn is_tls_transport(&self) -> bool {
        self.encrypted
    }
    fn scramble(&self) -> &[u8] {
        &self.nonce
    }
    fn server_key_pem(&self) -> Option<&[u8]> {
        None
    }
}
