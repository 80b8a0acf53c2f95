//! Whole configurations with a URI: what every option, and every two that meet, come to.

use std::path::Path;

use proptest::prelude::*;

use super::super::{Config, Host, Loaded, Login, Problems, TlsPolicy, TrustSource, parse};
use crate::mongo::scram::Mechanism;

/// Must never be seen.
const CANARY: &str = "hunter2";

/// A file with one section, `extra` lines in it, and the URI on line 2.
fn load(uri: &str, extra: &str) -> Result<Loaded, Problems> {
    let text = format!("[host h]\nuri = {uri}\n{extra}");
    parse(text.as_bytes(), Path::new("/f/a.config"))
}

/// The only host, or the first error; with the first warning behind it.
fn outcome(uri: &str, extra: &str) -> String {
    let clause = |problem: &super::super::Problem| {
        let line = problem.line.unwrap_or_default();
        format!("{line}: {}: {}", problem.key, problem.what)
    };
    match load(uri, extra) {
        Ok(Loaded { config: Config { hosts, .. }, warnings }) => {
            let [host] = hosts.as_slice() else { panic!("{uri}: {} hosts", hosts.len()) };
            let warning = warnings.first().map(clause);
            let warning = warning.map_or(String::new(), |warning| format!(" ! {warning}"));
            format!("{}{warning}", summary(host))
        }
        Err(problems) => {
            format!("error {}", problems.errors().first().map(clause).expect("an error"))
        }
    }
}

/// What a host differs in from one without TLS, login and waits of its own. Files lie in /f.
fn summary(host: &Host) -> String {
    let mut words = vec![tls(host.tls.as_ref())];
    words.extend(host.prefer.map(|prefer| format!("prefer={}", prefer.scram_without_tls)));
    words.extend(host.login.as_ref().map(login));
    let (dial, command) = (host.dial_timeout.as_millis(), host.command_timeout.as_millis());
    words.extend((dial != 40_000).then(|| format!("dial={dial}")));
    words.extend((command != 10_000).then(|| format!("command={command}")));
    words.join(" ")
}

fn tls(policy: Option<&TlsPolicy>) -> String {
    let Some(TlsPolicy { trust, crls, require_valid, require_name, identity }) = policy else {
        return "plaintext".to_owned();
    };
    let shown = |path: &Path| path.display().to_string().replace("/f/", "");
    let mut words = vec!["tls".to_owned()];
    if let TrustSource::File(file) = trust {
        words.push(format!("ca={}", shown(file)));
    }
    words.extend(crls.as_deref().map(|file| format!("crl={}", shown(file))));
    words.extend((!require_valid).then(|| "any-certificate".to_owned()));
    words.extend((!require_name).then(|| "any-name".to_owned()));
    if let Some(identity) = identity {
        let (certificate, key) = (shown(&identity.certificate), shown(&identity.key));
        let password = identity.password.as_ref().map_or("", |password| password.expose());
        words.push(format!("shows={certificate}+{key}+{password}"));
    }
    words.join(" ")
}

fn login(login: &Login) -> String {
    match login {
        Login::Scram(login) => {
            let mechanism = login.mechanism.map_or("best", Mechanism::name);
            let (user, password) = (&login.username, login.password.expose());
            format!("{mechanism}={user}/{password}@{}", login.auth_source)
        }
        Login::Certificate { username } => format!("x509={}", username.as_deref().unwrap_or("-")),
    }
}

/// What a query comes to behind `mongodb://db1/?`.
fn check(cases: &[(&str, &str)]) {
    for (query, expected) in cases {
        assert_eq!(outcome(&format!("mongodb://db1/?{query}"), ""), *expected, "{query}");
    }
}

#[test]
fn tls_is_what_tls_and_ssl_say_and_else_what_other_options_mean() {
    check(&[
        ("", "plaintext"),
        ("tls=true", "tls"),
        ("TLS=TRUE", "tls"),
        ("ssl=true", "tls"),
        ("tls=false", "plaintext"),
        ("ssl=false", "plaintext"),
        ("tls=true&ssl=true", "tls"),
        ("tls=false&ssl=false", "plaintext"),
        ("tls=true&tls=true", "tls"),
        ("tls=true&ssl=false", "error 2: uri: ssl: contradicts tls, keep one of them"),
        ("ssl=true&tls=false", "error 2: uri: tls: contradicts ssl, keep one of them"),
        (
            "tls=true&tls=false",
            "error 2: uri: tls: stands there twice with different values, keep one",
        ),
        ("tls=1", "tls ! 2: uri: tls: an old spelling, write true"),
        ("tls=no", "plaintext ! 2: uri: tls: an old spelling, write false"),
        ("tls=maybe", "error 2: uri: tls: expected true or false"),
        ("tls=prefer", "error 2: uri: tls: expected true or false"),
        ("tls=", "error 2: uri: tls: expected true or false"),
        ("tlsCAFile=ca.pem", "tls ca=ca.pem"),
        ("tlsInsecure=false", "tls"),
        (
            "tls=false&tlsCAFile=ca.pem",
            "plaintext ! 2: uri: tlsCAFile: without effect, this host is watched without TLS, \
             write ssl = true",
        ),
    ]);
}

#[test]
fn the_checks_of_certificates_are_relaxed_only_by_who_says_so() {
    let odd = "expected true or false, so no check of certificates is left out for it";
    check(&[
        ("tlsInsecure=true", "tls any-certificate any-name"),
        ("tlsInsecure=false", "tls"),
        ("tlsinsecure=maybe", &format!("tls ! 2: uri: tlsInsecure: {odd}")),
        ("tlsInsecure=", "plaintext ! 2: uri: tlsInsecure: empty, so it counts as not written"),
        ("tlsInsecure=0", "tls ! 2: uri: tlsInsecure: an old spelling, write false"),
        ("tlsAllowInvalidCertificates=true", "tls any-certificate"),
        ("tlsAllowInvalidCertificates=false", "tls"),
        (
            "tlsAllowInvalidCertificates=invalid",
            &format!("tls ! 2: uri: tlsAllowInvalidCertificates: {odd}"),
        ),
        ("tlsAllowInvalidHostnames=true", "tls any-name"),
        ("tlsAllowInvalidHostnames=false", "tls"),
        (
            "tlsAllowInvalidCertificates=true&tlsAllowInvalidHostnames=true",
            "tls any-certificate any-name",
        ),
        ("tlsDisableOCSPEndpointCheck=true", "tls"),
        ("tlsDisableCertificateRevocationCheck=true", "tls"),
        (
            "tlsDisableOCSPEndpointCheck=false",
            "tls ! 2: uri: tlsDisableOCSPEndpointCheck: without effect, revoked certificates are \
             looked up in tlsCRLFile alone",
        ),
        (
            "tlsDisableCertificateRevocationCheck=true&tlsCRLFile=a",
            "error 2: uri: tlsDisableCertificateRevocationCheck: contradicts tlsCRLFile, keep one \
             of them",
        ),
        (
            "tlsAllowInvalidCertificates=true&tlsAllowInvalidCertificates=false",
            "error 2: uri: tlsAllowInvalidCertificates: stands there twice with different values, \
             keep one",
        ),
    ]);
}

/// URI-options specification, "Conflicting TLS options": whatever the values, in whatever order.
#[test]
fn options_that_the_specification_sets_against_each_other_are_refused() {
    for (one, other) in [
        ("tlsInsecure", "tlsAllowInvalidCertificates"),
        ("tlsInsecure", "tlsAllowInvalidHostnames"),
        ("tlsInsecure", "tlsDisableOCSPEndpointCheck"),
        ("tlsInsecure", "tlsDisableCertificateRevocationCheck"),
        ("tlsAllowInvalidCertificates", "tlsDisableOCSPEndpointCheck"),
        ("tlsAllowInvalidCertificates", "tlsDisableCertificateRevocationCheck"),
        ("tlsDisableOCSPEndpointCheck", "tlsDisableCertificateRevocationCheck"),
        ("tlsInsecure", "sslverifycertificate"),
        ("tlsInsecure", "ssl_match_hostname"),
        ("tlsCertificateKeyFile", "tlsCertificateFile"),
        ("tlsCertificateKeyFile", "tlsPrivateKeyFile"),
        ("tlsCertificateKeyFile", "ssl_certfile"),
    ] {
        let expected =
            format!("error 2: uri: {one}: must not stand beside {other}, keep one of them");
        for (first, second) in
            [("true", "true"), ("true", "false"), ("false", "true"), ("false", "false")]
        {
            let pairs = [format!("{one}={first}"), format!("{other}={second}")];
            let forth = format!("mongodb://db1/?tls=true&{}&{}", pairs[0], pairs[1]);
            let back = format!("mongodb://db1/?tls=true&{}&{}", pairs[1], pairs[0]);
            assert_eq!(outcome(&forth, ""), expected, "{forth}");
            assert_eq!(outcome(&back, ""), expected, "{back}");
        }
    }
}

#[test]
fn files_are_named_once() {
    check(&[
        ("tlsCAFile=%2Fetc%2Fca.pem", "tls ca=/etc/ca.pem"),
        ("tlsCAFile=a%20b+c.pem", "tls ca=a b+c.pem"),
        ("tlsCAFile=", "plaintext ! 2: uri: tlsCAFile: empty, so it counts as not written"),
        (
            "tlsCAFile=a&tlscafile=a",
            "tls ca=a ! 2: uri: tlsCAFile: repeats tlsCAFile, keep one of them",
        ),
        (
            "tlsCAFile=a&ssl_ca_certs=b",
            "error 2: uri: ssl_ca_certs: contradicts tlsCAFile, keep one of them",
        ),
        ("tlsCRLFile=c.pem", "tls crl=c.pem"),
        ("tlsCertificateKeyFile=k.pem", "tls shows=k.pem+k.pem+"),
        (
            "tlsCertificateKeyFile=k.pem&tlsCertificateKeyFilePassword=a%26b",
            "tls shows=k.pem+k.pem+a&b",
        ),
        ("tlsCertificateFile=c.pem&tlsPrivateKeyFile=k.pem", "tls shows=c.pem+k.pem+"),
        (
            "tlsCertificateFile=c.pem",
            "error 2: uri: tlsCertificateFile: its key is missing, name it in tlsPrivateKeyFile, \
             or a file with both in tlsCertificateKeyFile",
        ),
        (
            "tlsPrivateKeyFile=c.pem",
            "error 2: uri: tlsPrivateKeyFile: its certificate is missing, name it in \
             tlsCertificateFile, or a file with both in tlsCertificateKeyFile",
        ),
        (
            "tlsCertificateFile=c&tlsPrivateKeyFile=k&tlsCertificateKeyFile=b",
            "error 2: uri: tlsCertificateKeyFile: must not stand beside tlsCertificateFile, keep \
             one of them",
        ),
        (
            "tlsCertificateKeyFile=b&tlsPrivateKeyFile=k",
            "error 2: uri: tlsCertificateKeyFile: must not stand beside tlsPrivateKeyFile, keep \
             one of them",
        ),
        (
            "tlsCertificateKeyFilePassword=hunter2",
            "error 2: uri: tlsCertificateKeyFilePassword: a client certificate is missing, set \
             sslClientCertificate beside it",
        ),
    ]);
}

#[test]
fn older_spellings_mean_what_they_meant() {
    check(&[
        ("ssl_ca_certs=ca.pem", "tls ca=ca.pem"),
        ("ssl_crlfile=c.pem", "tls crl=c.pem"),
        ("ssl_certfile=b.pem", "tls shows=b.pem+b.pem+"),
        ("ssl_certfile=c.pem&ssl_keyfile=k.pem", "tls shows=c.pem+k.pem+"),
        ("ssl_certfile=c.pem&ssl_pem_passphrase=x", "tls shows=c.pem+c.pem+x"),
        (
            "ssl_keyfile=k.pem",
            "error 2: uri: ssl_keyfile: its certificate is missing, name it in \
             tlsCertificateFile, or a file with both in tlsCertificateKeyFile",
        ),
        ("ssl_cert_reqs=CERT_NONE", "tls any-certificate"),
        ("ssl_cert_reqs=CERT_OPTIONAL", "tls"),
        ("ssl_cert_reqs=CERT_REQUIRED", "tls"),
        (
            "ssl_cert_reqs=none",
            "error 2: uri: ssl_cert_reqs: expected CERT_NONE, CERT_OPTIONAL or CERT_REQUIRED",
        ),
        ("ssl_match_hostname=false", "tls any-name"),
        ("ssl_match_hostname=true", "tls"),
        (
            "ssl_match_hostname=never",
            "tls ! 2: uri: ssl_match_hostname: expected true or false, so no check of \
             certificates is left out for it",
        ),
        ("sslVerifyCertificate=false", "tls any-certificate"),
        ("sslverifycertificate=true", "tls"),
        (
            "ssl_cert_reqs=CERT_NONE&tlsAllowInvalidCertificates=false",
            "error 2: uri: tlsAllowInvalidCertificates: contradicts ssl_cert_reqs, keep one of \
             them",
        ),
    ]);
}

#[test]
fn unknown_options_about_tls_are_errors_and_others_are_warnings() {
    check(&[
        (
            "tlsAllowInsecure=true",
            "error 2: uri: tlsAllowInsecure: unknown option, did you mean tlsInsecure?",
        ),
        ("tlsCAfiles=a", "error 2: uri: tlsCAfiles: unknown option, did you mean tlsCAFile?"),
        (
            "SSLTrusted=a",
            "error 2: uri: SSLTrusted: unknown option, `monitoring-agent list-settings` shows all",
        ),
        ("foo=bar", "plaintext ! 2: uri: foo: unknown option, without effect"),
        (
            "conectTimeoutMS=5",
            "plaintext ! 2: uri: conectTimeoutMS: unknown option, without effect, did you mean \
             connectTimeoutMS?",
        ),
        ("a%20b=1", "plaintext ! 2: uri: (not an option): unknown option, without effect"),
        (
            "retryWrites=true",
            "plaintext ! 2: uri: retryWrites: an option for drivers, without effect on the agent",
        ),
        (
            "foo=a@b",
            "error 2: uri: in the name and the password of a user, write @ as %40, : as %3A, / as \
             %2F, ? as %3F and % as %25",
        ),
    ]);
}

#[test]
fn what_an_option_promises_is_kept_or_denied() {
    let limit = "expected whole milliseconds from 1 to 600000, so the key above the sections \
                 applies";
    check(&[
        ("connectTimeoutMS=2500", "plaintext dial=2500"),
        ("socketTimeoutMS=7500", "plaintext command=7500"),
        (
            "connectTimeoutMS=0",
            "plaintext ! 2: uri: connectTimeoutMS: 0 would be no limit, which the agent does not \
             have, so the key above the sections applies",
        ),
        ("connectTimeoutMS=-2", &format!("plaintext ! 2: uri: connectTimeoutMS: {limit}")),
        ("connectTimeoutMS=+2", &format!("plaintext ! 2: uri: connectTimeoutMS: {limit}")),
        ("socketTimeoutMS=600001", &format!("plaintext ! 2: uri: socketTimeoutMS: {limit}")),
        ("socketTimeoutMS=invalid", &format!("plaintext ! 2: uri: socketTimeoutMS: {limit}")),
        (
            "replicaSet=rs@0",
            "plaintext ! 2: uri: replicaSet: without effect, the hosts of the URI are watched: \
             other members are not looked for, and the name is not compared",
        ),
        (
            "replicaSet=a&replicaSet=b",
            "error 2: uri: replicaSet: stands there twice with different values, keep one",
        ),
        (
            "compressors=snappy,zlib",
            "plaintext ! 2: uri: compressors: without effect, the agent does not negotiate \
             compression",
        ),
        (
            "appname=me",
            "plaintext ! 2: uri: appName: without effect, the agent does not tell servers a name",
        ),
        ("directConnection=true", "plaintext"),
        (
            "directConnection=false",
            "plaintext ! 2: uri: directConnection: without effect, no host but those of the URI \
             is watched",
        ),
        (
            "directConnection=maybe",
            "plaintext ! 2: uri: directConnection: expected true or false, so it counts as not \
             written",
        ),
    ]);
}

#[test]
fn the_user_is_looked_for_where_the_uri_says() {
    let x509 = "authMechanism=MONGODB-X509&tlsCertificateKeyFile=k";
    for (uri, expected) in [
        ("mongodb://u:p@db1", "plaintext best=u/p@admin"),
        ("mongodb://u:p@db1/", "plaintext best=u/p@admin"),
        ("mongodb://u:p@db1/reporting", "plaintext best=u/p@reporting"),
        ("mongodb://u:p@db1/reporting?authSource=users", "plaintext best=u/p@users"),
        ("mongodb://db1/reporting", "plaintext"),
        ("mongodb://%24am:f%3Azzb%40z%2Fz%3D@db1/", "plaintext best=$am/f:zzb@z/z=@admin"),
        ("mongodb://u:p@db1/?authMechanism=SCRAM-SHA-1", "plaintext SCRAM-SHA-1=u/p@admin"),
        ("mongodb://u:p@db1/?AUTHmechanism=scram-sha-256", "plaintext SCRAM-SHA-256=u/p@admin"),
        (
            "mongodb://u@db1/",
            "error 2: uri: the user: a password is missing, set password or passwordFile",
        ),
        (
            "mongodb://u:p@db1/?authSource=$external",
            "error 2: uri: authSource: $external holds no users with passwords, write the \
             database that the user was created on",
        ),
        (
            "mongodb://u:p@db1/?authMechanism=PLAIN",
            "error 2: uri: authMechanism: this version does not have PLAIN yet, write \
             SCRAM-SHA-1, SCRAM-SHA-256 or MONGODB-X509",
        ),
        (
            "mongodb://db1/?authMechanism=SCRAM-SHA-1",
            "error 2: uri: authMechanism: this host has no user, set username and password",
        ),
        (
            "mongodb://db1/?authSource=users",
            "plaintext ! 2: uri: authSource: without effect, this host has no user",
        ),
        (&format!("mongodb://db1/?{x509}"), "tls shows=k+k+ x509=-"),
        (&format!("mongodb://CN%3Da%2CO%3Db@db1/admin?{x509}"), "tls shows=k+k+ x509=CN=a,O=b"),
        (&format!("mongodb://db1/?{x509}&authSource=$external"), "tls shows=k+k+ x509=-"),
        (
            &format!("mongodb://db1/?{x509}&authSource=admin"),
            "error 2: uri: authSource: users of MONGODB-X509 live on $external, remove it",
        ),
        (
            &format!("mongodb://u:hunter2@db1/?{x509}"),
            "error 2: uri: the password: MONGODB-X509 knows no password, the certificate stands \
             for it: remove it",
        ),
        (
            &format!("mongodb://db1/?{x509}&tls=false"),
            "error 2: uri: authMechanism: MONGODB-X509 needs TLS, write ssl = true",
        ),
        (
            "mongodb://db1/?tls=true&authMechanism=MONGODB-X509",
            "error 2: uri: authMechanism: MONGODB-X509 needs a client certificate, set \
             sslClientCertificate",
        ),
    ] {
        assert_eq!(outcome(uri, ""), expected, "{uri}");
    }
}

/// The words for a key on line 3 that the URI on line 2 contradicts.
fn differs(what: &str, key: &str) -> String {
    format!("error 2: uri: {what}: says otherwise than {key} on line 3, keep one of them")
}

#[test]
fn the_section_and_the_uri_agree_on_tls_and_trust_or_are_refused() {
    for (uri, extra, expected) in [
        ("mongodb://db1", "ssl = true", "tls"),
        ("mongodb://db1/?tls=true", "ssl = yes", "tls"),
        ("mongodb://db1/?tls=true", "ssl = false", &*differs("tls", "ssl")),
        ("mongodb://db1/?tls=true", "ssl = prefer", &differs("tls", "ssl")),
        ("mongodb://db1/?ssl=false", "ssl = prefer", &differs("ssl", "ssl")),
        ("mongodb://db1/?tlsCAFile=a", "ssl = prefer", "tls ca=a prefer=false"),
        (
            "mongodb://u:p@db1",
            "ssl = prefer\nscramWithoutTls = true",
            "tls prefer=true best=u/p@admin",
        ),
        (
            "mongodb://db1/?tlsCAFile=a",
            "ssl = false",
            "plaintext ! 2: uri: tlsCAFile: without effect, this host is watched without TLS, \
             write ssl = true",
        ),
        ("mongodb://db1/?tlsCAFile=a", "sslTrustedServerCertificates = /f/a", "tls ca=a"),
        (
            "mongodb://db1/?tlsCAFile=a",
            "sslTrustedServerCertificates = b",
            &differs("tlsCAFile", "sslTrustedServerCertificates"),
        ),
        ("mongodb://db1/?tlsCAFile=a", "sslTrustedServerCertificates =", "tls ca=a"),
        (
            "mongodb://db1/?tlsCRLFile=a",
            "sslTrustedServerCrls = b",
            &differs("tlsCRLFile", "sslTrustedServerCrls"),
        ),
        (
            "mongodb://db1/?tlsDisableCertificateRevocationCheck=true",
            "sslTrustedServerCrls = b",
            &differs("tlsDisableCertificateRevocationCheck", "sslTrustedServerCrls"),
        ),
    ] {
        assert_eq!(outcome(uri, extra), expected, "{uri} {extra}");
    }
}

#[test]
fn the_section_and_the_uri_agree_on_checks_and_certificates_or_are_refused() {
    for (uri, extra, expected) in [
        (
            "mongodb://db1/?tlsInsecure=true",
            "sslRequireValidServerCertificates = true",
            &*differs("tlsInsecure", "sslRequireValidServerCertificates"),
        ),
        (
            "mongodb://db1/?tlsInsecure=false",
            "sslAllowInvalidHostnames = true",
            &differs("tlsInsecure", "sslAllowInvalidHostnames"),
        ),
        (
            "mongodb://db1/?tlsAllowInvalidHostnames=true",
            "sslAllowInvalidHostnames = yes\nsslRequireValidServerCertificates = no",
            "tls any-certificate any-name",
        ),
        (
            "mongodb://db1/?tlsCertificateKeyFile=k",
            "sslClientCertificatePassword = x",
            "tls shows=k+k+x",
        ),
        (
            "mongodb://db1/?tls=true&tlsCertificateKeyFilePassword=x",
            "sslClientCertificate = k",
            "tls shows=k+k+x",
        ),
        (
            "mongodb://db1/?tlsCertificateFile=c&tlsPrivateKeyFile=k",
            "sslClientCertificate = c",
            &differs("tlsCertificateFile", "sslClientCertificate"),
        ),
    ] {
        assert_eq!(outcome(uri, extra), expected, "{uri} {extra}");
    }
}

#[test]
fn the_section_and_the_uri_agree_on_the_login_or_are_refused() {
    for (uri, extra, expected) in [
        ("mongodb://u@db1", "password = x", "plaintext best=u/x@admin"),
        ("mongodb://u:@db1", "password = x", "plaintext best=u/x@admin"),
        ("mongodb://u:x@db1", "password = x", "plaintext best=u/x@admin"),
        ("mongodb://u:x@db1", "password = hunter2", &*differs("the password", "password")),
        ("mongodb://u:x@db1", "username = v", &differs("the user", "username")),
        ("mongodb://u:x@db1/a", "authSource = b", "plaintext best=u/x@b"),
        ("mongodb://u:x@db1/?authSource=a", "authSource = b", &differs("authSource", "authSource")),
        (
            "mongodb://u:x@db1/?authMechanism=SCRAM-SHA-1",
            "authMechanism = SCRAM-SHA-256",
            &differs("authMechanism", "authMechanism"),
        ),
        (
            "mongodb://db1",
            "address = db1",
            "error 2: uri: address on line 3 names a server too, keep one of them",
        ),
    ] {
        assert_eq!(outcome(uri, extra), expected, "{uri} {extra}");
    }
}

/// What stands above the sections holds for a URI as far as it says nothing itself.
#[test]
fn the_uri_overrides_what_stands_above_the_sections() {
    let above = "useSslForAllConnections = true\nsslTrustedServerCertificates = all.pem\n\
                 sslTrustedServerCrls = all.crl\nsslRequireValidServerCertificates = false\n\
                 sslAllowInvalidHostnames = true\nsslClientCertificate = agent.pem\n\
                 sslClientCertificatePassword = x\nglobalAuthUsername = g\n\
                 globalAuthPassword = y\ndialTimeoutSeconds = 7\ncommandTimeoutSecs = 6\n";
    for (uri, expected) in [
        (
            "mongodb://db1",
            "tls ca=all.pem crl=all.crl any-certificate any-name shows=agent.pem+agent.pem+x \
             best=g/y@admin dial=7000 command=6000",
        ),
        (
            "mongodb://u:p@db1/d?tlsCAFile=a&tlsCRLFile=b&tlsInsecure=false&\
             tlsCertificateKeyFile=k&connectTimeoutMS=5&socketTimeoutMS=4",
            "tls ca=a crl=b shows=k+k+ best=u/p@d dial=5 command=4",
        ),
        (
            "mongodb://db1/?tlsDisableCertificateRevocationCheck=true",
            "tls ca=all.pem any-certificate any-name shows=agent.pem+agent.pem+x best=g/y@admin \
             dial=7000 command=6000",
        ),
        (
            "mongodb://db1/?ssl_cert_reqs=CERT_REQUIRED&ssl_match_hostname=true",
            "tls ca=all.pem crl=all.crl shows=agent.pem+agent.pem+x best=g/y@admin dial=7000 \
             command=6000",
        ),
        (
            "mongodb://db1/d?tlsAllowInvalidCertificates=oops&ssl_match_hostname=oops",
            "tls ca=all.pem crl=all.crl shows=agent.pem+agent.pem+x best=g/y@d dial=7000 \
             command=6000",
        ),
        (
            "mongodb://db1/?authMechanism=MONGODB-X509",
            "tls ca=all.pem crl=all.crl any-certificate any-name shows=agent.pem+agent.pem+x \
             x509=- dial=7000 command=6000",
        ),
    ] {
        let text = format!("{above}[host h]\nuri = {uri}\n");
        let shown = match parse(text.as_bytes(), Path::new("/f/a.config")) {
            Ok(loaded) => loaded.config.hosts.iter().map(summary).collect(),
            Err(problems) => problems.to_string(),
        };
        assert_eq!(shown, expected, "{uri}");
    }
}

#[test]
fn every_host_of_a_uri_is_watched_by_a_name_of_its_own() {
    let names = |uri: &str| -> Vec<(String, String)> {
        let hosts = load(uri, "").unwrap_or_else(|problems| panic!("{problems}")).config.hosts;
        hosts.iter().map(|host| (host.name.to_string(), host.address.to_string())).collect()
    };
    let pair = |name: &str, address: &str| (name.to_owned(), address.to_owned());
    assert_eq!(names("mongodb://db1:27018"), [pair("h", "db1:27018")]);
    assert_eq!(
        names("mongodb://u:p@db1,[::1]:1,10.0.0.1/?tls=true"),
        [
            pair("h/db1:27017", "db1:27017"),
            pair("h/[::1]:1", "[::1]:1"),
            pair("h/10.0.0.1:27017", "10.0.0.1:27017"),
        ]
    );
    let refused = load("mongodb://a,b/?directConnection=true", "").expect_err("two hosts");
    assert_eq!(
        refused.to_string(),
        "/f/a.config:2: uri: directConnection: true is for one host alone, and there are several"
    );
    let long = format!("mongodb://{}", vec!["abcdefg"; 2100].join(","));
    assert_eq!(outcome(&long, ""), "error 2: uri: the value has 16809 bytes, the limit is 16384");
}

/// Everything that a configuration, its warnings and its errors show of themselves.
fn shown(result: &Result<Loaded, Problems>) -> String {
    match result {
        Ok(Loaded { config, warnings }) => {
            let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
            format!("{config:?} {warnings:?}")
        }
        Err(problems) => format!("{problems} {problems:?}"),
    }
}

proptest! {
    #[test]
    fn no_uri_makes_the_parser_panic(rest in ".{0,80}", extra in ".{0,20}") {
        let _ = load(&format!("mongodb://{rest}"), &extra);
    }

    #[test]
    fn no_uri_of_likely_pieces_makes_the_parser_panic_or_shows_a_password(
        hosts in prop::collection::vec(host_piece(), 0..8),
        options in prop::collection::vec(option(), 0..8),
    ) {
        let result = load(&format!("mongodb://{}/?{}", hosts.concat(), options.join("&")), "");
        prop_assert!(!shown(&result).contains(CANARY), "{}", shown(&result));
    }

    /// However badly a password is encoded, no piece of it shows.
    #[test]
    fn no_password_shows_however_it_is_encoded(
        before in "[a-z0-9/?@:&=%#,;.\\[\\] +-]{0,6}",
        after in "[a-z0-9/?@:&=%#,;.\\[\\] +-]{0,6}",
        tail in prop::sample::select(vec!["", "/", "/admin", "/?tls=true", "?tls=true", ",db2/"]),
    ) {
        let uri = format!("mongodb://user:{before}{CANARY}{after}@db1.example{tail}");
        let result = load(&uri, "");
        prop_assert!(!shown(&result).contains(CANARY), "{uri}: {}", shown(&result));
    }

    #[test]
    fn the_value_of_no_option_shows_but_the_names_of_files(
        option in prop::sample::select(
            super::ROWS.iter().filter(|row| !row.name.contains("ile") && !row.name.contains("cert"))
                .map(|row| row.name).chain(["foo", "w", "tlsFoo"]).collect::<Vec<_>>()
        ),
        before in "[a-z0-9@:=,.+-]{0,4}",
    ) {
        let uri = format!("mongodb://db1/?{option}={before}{CANARY}");
        let result = load(&uri, "");
        let source = option == "authSource";
        prop_assert!(source || !shown(&result).contains(CANARY), "{uri}: {}", shown(&result));
    }
}

/// What stands before the options.
fn host_piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "db1", ":27017", ",", "[::1]", "/", "?", "&", "admin", "%2F", "%", "@", ":", "u:p@",
    ])
}

/// A known option with a likely value, or one that holds a password.
fn option() -> impl Strategy<Value = String> {
    let known = (
        prop::sample::select(super::ROWS.iter().map(|row| row.name).collect::<Vec<_>>()),
        prop::sample::select(vec!["true", "false", "", "a.pem", "1", "CERT_NONE", "MONGODB-X509"]),
    );
    let password =
        prop::sample::select(vec!["tlsCertificateKeyFilePassword", "SSL_pem_passphrase"]);
    prop_oneof![
        4 => known.prop_map(|(name, value)| format!("{name}={value}")),
        1 => password.prop_map(|name| format!("{name}={CANARY}")),
    ]
}
