//! A replica set of three members with TLS, authentication and users, as operators have them.

use std::path::PathBuf;

use bson::{Document, doc};

use super::{
    certificates::{Authority, Request},
    client::{Client, User},
    guard::Folder,
    mongod::Mongod,
    server::{Server, require_tls},
    trouble::Outcome,
    wait,
};

pub(crate) const MEMBERS: usize = 3;

/// The user that agents log in with: it has clusterMonitor and nothing else.
pub(crate) const MONITOR: User<'static> =
    User { name: "monitor", password: "watch+me, if you can: 100%" };

/// A user without any role.
pub(crate) const NOBODY: User<'static> = User { name: "nobody", password: "no-rights-at-all" };

/// The user that initiates and looks behind the scenes.
pub(crate) const ROOT: User<'static> = User { name: "root", password: "root-of-this-set" };

/// A running replica set; member 0 is its primary unless it was killed.
pub(crate) struct ReplicaSet {
    members: Vec<Server>,
    /// The file of the authority that signed the members' certificates.
    authority: PathBuf,
    _folder: Folder,
}

impl ReplicaSet {
    /// Starts one and waits until it has a primary, two secondaries and the users.
    pub(crate) fn start(mongod: &Mongod) -> Outcome<Self> {
        let mut set = Self::launch(mongod)?;
        for member in &mut set.members {
            member.wait_until_it_accepts()?;
        }
        set.initiate()?;
        set.create_users()?;
        set.wait_until_complete()?;
        Ok(set)
    }

    fn launch(mongod: &Mongod) -> Outcome<Self> {
        let folder = Folder::create()?;
        let root = Authority::root("Database Root CA");
        let authority = root.write(&folder, "ca.pem")?;
        let issuer = root.intermediate("Database Issuing CA");
        let identity = issuer.issue(&Request::localhost()).write(&folder, "server.pem")?;
        let key = folder.write("key", "Any text of six to a thousand letters of base64")?;
        let mut flags = require_tls(&identity, &authority);
        flags.extend(["--replSet", "rs0", "--oplogSize", "64", "--keyFile"].map(Into::into));
        flags.push(key.into());
        let members: Outcome<Vec<Server>> =
            (0..MEMBERS).map(|_| Server::launch(mongod, &flags)).collect();
        Ok(Self { members: members?, authority, _folder: folder })
    }

    fn initiate(&self) -> Outcome<()> {
        let members = self.members.iter().zip(0_i32..).map(|(member, number)| {
            let priority = if number == 0 { 2 } else { 1 };
            doc! { "_id": number, "host": member.name(), "priority": priority }
        });
        let settings = doc! { "electionTimeoutMillis": 1000 };
        let configuration =
            doc! { "_id": "rs0", "members": members.collect::<Vec<_>>(), "settings": settings };
        let mut client = self.client(0, None)?;
        client.command("admin", &doc! { "replSetInitiate": configuration })?;
        wait::until("the replica set has a primary", wait::PATIENCE, || {
            let reply = client.command("admin", &doc! { "isMaster": 1 }).ok()?;
            reply.get_bool("ismaster").ok()?.then_some(())
        })
    }

    /// The first one by the exception for connections from the same machine while there is none.
    fn create_users(&self) -> Outcome<()> {
        self.client(0, None)?.command("admin", &create(ROOT, &["root"]))?;
        let mut client = self.client(0, Some(ROOT))?;
        client.command("admin", &create(MONITOR, &["clusterMonitor"]))?;
        client.command("admin", &create(NOBODY, &[]))?;
        Ok(())
    }

    /// Waits until all members are there and one is the primary.
    pub(crate) fn wait_until_complete(&self) -> Outcome<()> {
        wait::until("the replica set is complete", wait::PATIENCE, || {
            let mut client = self.client(0, Some(ROOT)).ok()?;
            let status = client.command("admin", &doc! { "replSetGetStatus": 1 }).ok()?;
            let members =
                status.get_array("members").ok()?.iter().filter_map(|it| it.as_document());
            let mut states: Vec<i32> = members.filter_map(|it| it.get_i32("state").ok()).collect();
            states.sort_unstable();
            (states == [1, 2, 2]).then_some(())
        })
    }

    /// A session with one member.
    pub(crate) fn client(&self, member: usize, user: Option<User<'_>>) -> Outcome<Client> {
        Client::connect(self.member(member).address(), Some(&self.authority), user)
    }

    /// Where the authority's certificate lies.
    pub(crate) fn authority(&self) -> &PathBuf {
        &self.authority
    }

    pub(crate) fn member(&self, number: usize) -> &Server {
        self.members.get(number).expect("a set has three members")
    }

    pub(crate) fn member_mut(&mut self, number: usize) -> &mut Server {
        self.members.get_mut(number).expect("a set has three members")
    }

    /// `localhost:PORT` of each member, as the set itself and the agent's configuration have them.
    pub(crate) fn hosts(&self) -> Vec<String> {
        self.members.iter().map(Server::name).collect()
    }
}

/// On all members before it returns, so that a login on a secondary finds the user.
fn create(user: User<'_>, roles: &[&str]) -> Document {
    doc! {
        "createUser": user.name,
        "pwd": user.password,
        "roles": roles,
        "writeConcern": { "w": 3, "wtimeout": 30_000 },
    }
}
