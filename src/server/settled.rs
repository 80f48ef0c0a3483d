//! What holds of a server: the program's word, and over it that of whoever runs it.
//!
//! The builder's methods are for the program, and `Config` is for both. What a setting says takes the place of what the
//! builder was told; what it does not say stays. Here the two are made one, once, before anything is put together.

use super::admin::{Admin, Place};
use super::{AdminConfig, Error, Health, Listener, ListenerConfig, ServerBuilder};

impl ServerBuilder {
    /// Listens there, too: one server may have any number of listeners, each with what it serves. Where
    /// [`Config::listeners`](super::Config::listeners) names some, they take the place of all that the program names.
    #[must_use]
    pub fn listen(mut self, listener: impl Into<Listener>) -> Self {
        self.listeners.push(listener.into());
        self
    }

    /// Serves gRPC on a port of its own, and only HTTP where [`serve`](Self::serve) or [`bind`](Self::bind) says.
    /// [`Config::grpc_address`](super::Config::grpc_address) moves it.
    #[must_use]
    pub fn grpc_address(mut self, address: impl Into<Listener>) -> Self {
        self.grpc_address = Some(address.into());
        self
    }

    /// Makes what the settings say what the builder says, and tells the settings what the builder says where they do not.
    pub(super) fn settle(&mut self) -> Result<(), Error> {
        let config = &mut self.config;
        // It is the program's to say how it is, and a readiness page reads it, whether or not it can be asked for.
        self.serves_health = config.health.unwrap_or(self.health.is_some());
        if self.serves_health {
            self.health.get_or_insert_with(Health::new);
        }
        self.reflection = config.reflection.unwrap_or(self.reflection);
        if !config.metrics {
            self.metrics = None;
        }
        self.admin = settled_admin(&config.admin, self.admin.take())?;
        let said = std::mem::take(&mut config.methods);
        for (name, method) in self.methods.drain(..).chain(said) {
            // Someone may spell it as it is called.
            let name = name.strip_prefix('/').unwrap_or(&name);
            let before = config.methods.remove(name).unwrap_or_default();
            config.methods.insert(name.to_owned(), method.or(&before));
        }
        // Of a lane that is set up twice, the later holds: the settings'.
        let said = std::mem::take(&mut config.scheduler.lanes);
        config.scheduler.lanes = self.lanes.drain(..).chain(said).collect();
        Ok(())
    }

    /// Where it listens: where the settings say, or else where the program does, moved as the settings say.
    pub(super) fn places(&mut self) -> Result<Vec<Listener>, Error> {
        let config = &self.config;
        if !config.listeners.is_empty() {
            if config.address.is_some() || config.grpc_address.is_some() {
                return Err(Error::NothingToMove);
            }
            return config.listeners.iter().map(ListenerConfig::listener).collect();
        }
        let grpc = moved(self.grpc_address.take(), config.grpc_address.as_deref()).map(Listener::grpc_only);
        let main = moved(self.address.take(), config.address.as_deref());
        let main = if grpc.is_some() { main.map(Listener::http_only) } else { main };
        Ok(main.into_iter().chain(self.listeners.drain(..)).chain(grpc).collect())
    }

    /// Writes what holds to standard error, if somebody wants to see it.
    #[cfg(feature = "config")]
    pub(super) fn print_if_wanted(&self) {
        if !self.config.print_config {
            return;
        }
        let mut holds = self.config.clone();
        holds.health = Some(self.serves_health);
        holds.reflection = Some(self.reflection);
        holds.admin.enabled = self.admin.is_some();
        if let Some(admin) = &self.admin {
            (holds.admin.address, holds.admin.path) = match &admin.place {
                Place::Address(address) => (Some(address.clone()), None),
                Place::Prefix(prefix) => (None, Some(prefix.clone())),
            };
        }
        let mut beside = Vec::new();
        if holds.listeners.is_empty() {
            let name = |listener: &Option<Listener>| listener.as_ref().map(Listener::name);
            holds.address = holds.address.or_else(|| name(&self.address));
            holds.grpc_address = holds.grpc_address.or_else(|| name(&self.grpc_address));
            beside = self.listeners.iter().map(Listener::to_string).collect();
        }
        eprint!("{}", holds.effective());
        // There is no setting for them beside an address: a list of listeners is all there are.
        beside.iter().for_each(|listener| eprintln!("# it listens at {listener}, too # code"));
    }
}

fn moved(own: Option<Listener>, to: Option<&str>) -> Option<Listener> {
    match (own, to) {
        (own, None) => own,
        (None, Some(to)) => Some(Listener::at(to)),
        (Some(own), Some(to)) => Some(own.moved(to)),
    }
}

fn settled_admin(config: &AdminConfig, own: Option<Admin>) -> Result<Option<Admin>, Error> {
    let place = match (&config.address, &config.path) {
        (Some(_), Some(_)) => return Err(Error::AdminPlaces),
        (Some(address), None) => Place::Address(address.clone()),
        (None, Some(path)) => Place::Prefix(path.clone()),
        (None, None) => return Ok(own.filter(|_| config.enabled)),
    };
    let admin = match own {
        Some(own) => own.moved(place),
        None => Admin::new(place),
    };
    Ok(Some(admin).filter(|_| config.enabled))
}
