//! A token that serves as long as it is good, also while no new one is to be had.
//!
//! The SDK's credentials ask for a new token minutes before the old one ends, all callers wait for the
//! answer behind one lock, and a refusal or silence there is theirs, although the old token would do.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use tokio::sync::{Mutex, RwLock};
use tokio::time::{Instant, timeout};

use super::settings::Clock;

/// How long before its end a token is replaced: as the SDK has it.
const REPLACED_BEFORE: time::Duration = time::Duration::minutes(5);
/// A token that ends so soon may have ended when it arrives.
const SURE: time::Duration = time::Duration::seconds(10);
/// How long a call that has a good token waits for a better one.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long nobody asks again who has a good token, after no better one was to be had.
const PAUSE: Duration = Duration::from_secs(10);

/// A credential whose last token is kept.
pub(super) struct Kept {
    inner: Arc<dyn TokenCredential>,
    clock: Clock,
    last: RwLock<Option<Last>>,
    /// Held by whoever asks for a new one.
    asking: Mutex<()>,
}

#[derive(Clone)]
struct Last {
    scopes: Vec<String>,
    token: AccessToken,
    /// Until when nobody asks for a better one.
    pause: Option<Instant>,
}

impl Kept {
    pub(super) fn new(inner: Arc<dyn TokenCredential>, clock: Clock) -> Arc<Self> {
        Arc::new(Self { inner, clock, last: RwLock::default(), asking: Mutex::default() })
    }

    /// The last token for these, if it will be good for so long.
    async fn last(&self, scopes: &[&str], left: time::Duration) -> Option<Last> {
        let last = self.last.read().await;
        last.as_ref()
            .filter(|last| last.scopes == scopes && last.token.expires_on > self.clock.now() + left)
            .cloned()
    }

    async fn ask(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let token = self.inner.get_token(scopes, options).await?;
        let scopes = scopes.iter().map(ToString::to_string).collect();
        *self.last.write().await = Some(Last { scopes, token: token.clone(), pause: None });
        Ok(token)
    }

    /// Another one in the place of one that is still good, if it is to be had; one caller at a time
    /// tries, and no other waits.
    async fn replace(
        &self,
        old: Last,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> AccessToken {
        let paused = old.pause.is_some_and(|until| Instant::now() < until);
        let Some(_turn) = self.asking.try_lock().ok().filter(|_| !paused) else {
            return old.token;
        };
        let cause = match timeout(PATIENCE, self.ask(scopes, options)).await {
            Ok(Ok(token)) => return token,
            Ok(Err(cause)) => cause.to_string(),
            Err(_late) => "no answer in time".to_owned(),
        };
        tracing::warn!(%cause, until = %old.token.expires_on, "no new token; the old one is still good");
        if let Some(last) = self.last.write().await.as_mut() {
            last.pause = Some(Instant::now() + PAUSE);
        }
        old.token
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}, its token kept", self.inner)
    }
}

#[async_trait]
impl TokenCredential for Kept {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        if let Some(last) = self.last(scopes, REPLACED_BEFORE).await {
            return Ok(last.token);
        }
        if let Some(old) = self.last(scopes, SURE).await {
            return Ok(self.replace(old, scopes, options).await);
        }
        let _turn = self.asking.lock().await;
        match self.last(scopes, SURE).await {
            Some(last) => Ok(last.token),
            None => self.ask(scopes, options).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use azure_core::error::ErrorKind;
    use time::OffsetDateTime;
    use time::macros::datetime;

    use super::*;

    const NOW: OffsetDateTime = datetime!(2026-01-01 00:00 UTC);

    /// Gives tokens that are good for so many seconds from [`NOW`] on; none refuses, zero is silent.
    #[derive(Debug, Default)]
    struct Script {
        says: Mutex<Option<i64>>,
        asked: Mutex<u32>,
    }

    #[async_trait]
    impl TokenCredential for Script {
        async fn get_token(
            &self,
            _: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            let mut asked = self.asked.lock().await;
            *asked += 1;
            let name = format!("token {asked}");
            match *self.says.lock().await {
                Some(0) => std::future::pending().await,
                Some(seconds) => Ok(AccessToken::new(name, NOW + time::Duration::seconds(seconds))),
                None => Err(azure_core::Error::with_message(ErrorKind::Credential, "refused")),
            }
        }
    }

    async fn kept(says: i64) -> (Arc<Script>, Arc<Kept>) {
        let script = Arc::new(Script::default());
        *script.says.lock().await = Some(says);
        let inner: Arc<dyn TokenCredential> = Arc::<Script>::clone(&script);
        (script, Kept::new(inner, Clock::new(|| NOW)))
    }

    async fn token(kept: &Kept) -> Result<String, String> {
        let token = kept.get_token(&["s"], None).await.map_err(|cause| cause.to_string())?;
        Ok(token.token.secret().to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_good_token_serves_while_none_is_to_be_had() {
        let (script, kept) = kept(200).await;
        assert_eq!(token(&kept).await.as_deref(), Ok("token 1"));
        for says in [None, Some(0)] {
            *script.says.lock().await = says;
            assert_eq!(token(&kept).await.as_deref(), Ok("token 1"));
            let asked = *script.asked.lock().await;
            assert_eq!(token(&kept).await.as_deref(), Ok("token 1"));
            assert_eq!(*script.asked.lock().await, asked, "nobody asks again at once");
            tokio::time::advance(PAUSE).await;
        }
        *script.says.lock().await = Some(3600);
        assert_eq!(token(&kept).await.as_deref(), Ok("token 4"));
        assert_eq!(token(&kept).await.as_deref(), Ok("token 4"));
    }

    #[tokio::test(start_paused = true)]
    async fn others_do_not_wait_for_the_one_who_asks() {
        let (script, kept) = kept(200).await;
        token(&kept).await.unwrap();
        *script.says.lock().await = Some(0);
        let begun = Instant::now();
        let slow = token(&kept);
        let quick = async {
            tokio::task::yield_now().await;
            token(&kept).await.unwrap();
            begun.elapsed()
        };
        let (slow, quick) = tokio::join!(slow, quick);
        assert_eq!((slow.as_deref(), quick), (Ok("token 1"), Duration::ZERO));
    }

    #[tokio::test]
    async fn a_token_that_has_ended_does_not_serve() {
        let (script, kept) = kept(5).await;
        assert_eq!(token(&kept).await.as_deref(), Ok("token 1"));
        *script.says.lock().await = None;
        assert_eq!(token(&kept).await.unwrap_err(), "refused");
    }
}
