//! Twilio's Serverless as far as it hosts the files of plugins (<https://www.twilio.com/docs/serverless/api>).

use super::request::Request;
use super::{Client, FLEX, SERVERLESS, UPLOAD};
use crate::error::Error;
use crate::hosted::{Asset, AssetVersion, Build, Environment, Service};
use bytes::{BufMut as _, Bytes, BytesMut};
use http::{Method, header};
use rejoin_protocol::{AssetSid, AssetVersionSid, BuildSid, EnvironmentSid, ServiceSid};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const BEFORE: &str = "/v1/Services";

/// A file that is to be uploaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAssetVersion<'a> {
    /// The path under the environment's domain, from `/` on.
    pub path: &'a str,
    /// True when anybody may read it; false: only users of Flex who are signed in.
    pub public: bool,
    /// Media type.
    pub kind: &'a str,
    /// The file.
    pub content: &'a Bytes,
}

impl Client {
    /// A service by its SID or unique name; `None`: there is none.
    pub async fn serverless_service(&self, which: &str) -> Result<Option<Service>, Error> {
        match self.serverless(Method::GET, &format!("/{which}")).json(&[]).await {
            Ok(service) => Ok(Some(service)),
            Err(Error::Gone) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Creates a service.
    pub async fn create_service(&self, unique_name: &str, friendly_name: &str) -> Result<Service, Error> {
        let form = [("UniqueName", unique_name), ("FriendlyName", friendly_name)];
        self.serverless(Method::POST, "").json(&form).await
    }

    /// Tells Flex the services that host its plugins.
    pub async fn set_plugin_services(&self, services: &[ServiceSid]) -> Result<(), Error> {
        let body = json!({ "account_sid": self.settings.account, "serverless_service_sids": services });
        let request = self
            .request(Method::POST, FLEX, ("/v1/", "Configuration"), None)
            .with(header::CONTENT_TYPE, "application/json");
        Request { body: Bytes::from(body.to_string()), ..request }.done(&[]).await
    }

    /// Lists a service's environments.
    pub async fn list_environments(&self, service: &ServiceSid) -> Result<Vec<Environment>, Error> {
        self.list(SERVERLESS, BEFORE, &format!("/{service}/Environments?PageSize=100"), None).await
    }

    /// Creates an environment. `suffix`: of its domain.
    pub async fn create_environment(
        &self,
        service: &ServiceSid,
        unique_name: &str,
        suffix: &str,
    ) -> Result<Environment, Error> {
        let form = [("UniqueName", unique_name), ("DomainSuffix", suffix)];
        self.serverless(Method::POST, &format!("/{service}/Environments")).json(&form).await
    }

    /// Lists a service's assets.
    pub async fn list_assets(&self, service: &ServiceSid) -> Result<Vec<Asset>, Error> {
        self.list(SERVERLESS, BEFORE, &format!("/{service}/Assets?PageSize=1000"), None).await
    }

    /// Creates an asset, which has no file yet.
    pub async fn create_asset(&self, service: &ServiceSid, name: &str) -> Result<Asset, Error> {
        self.serverless(Method::POST, &format!("/{service}/Assets")).json(&[("FriendlyName", name)]).await
    }

    /// Uploads a file as a version of an asset
    /// (<https://www.twilio.com/docs/serverless/api/resource/asset-version#create-an-assetversion-resource>).
    pub async fn upload_asset_version(
        &self,
        service: &ServiceSid,
        asset: &AssetSid,
        new: &NewAssetVersion<'_>,
    ) -> Result<AssetVersion, Error> {
        let path = format!("/{service}/Assets/{asset}/Versions");
        let (boundary, body) = multipart(new);
        let request = self
            .request(Method::POST, UPLOAD, (BEFORE, &path), None)
            .with(header::CONTENT_TYPE, &format!("multipart/form-data; boundary={boundary}"));
        Request { body, ..request }.json(&[]).await
    }

    /// Fetches a build.
    pub async fn fetch_build(&self, service: &ServiceSid, build: &BuildSid) -> Result<Build, Error> {
        self.serverless(Method::GET, &format!("/{service}/Builds/{build}")).json(&[]).await
    }

    /// Builds these assets together with what `before` had besides.
    pub async fn create_build(
        &self,
        service: &ServiceSid,
        assets: &[AssetVersionSid],
        before: Option<&Build>,
    ) -> Result<Build, Error> {
        let functions = before.and_then(|build| build.function_versions.as_deref()).unwrap_or_default();
        let dependencies = before.and_then(|build| build.dependencies.clone()).filter(|it| !it.is_empty());
        let dependencies = dependencies.map(|it| Value::Array(it).to_string());
        let mut form: Vec<(&str, &str)> = assets.iter().map(|it| ("AssetVersions", it.as_str())).collect();
        form.extend(functions.iter().map(|it| ("FunctionVersions", it.sid.as_str())));
        form.extend(dependencies.as_deref().map(|it| ("Dependencies", it)));
        form.extend(before.and_then(|build| build.runtime.as_deref()).map(|it| ("Runtime", it)));
        self.serverless(Method::POST, &format!("/{service}/Builds")).json(&form).await
    }

    /// Lets an environment serve a build. Twilio refuses files of plugins without `IsPlugin`
    /// (<https://github.com/twilio/flex-plugin-builder/issues/1119>).
    pub async fn deploy_build(
        &self,
        service: &ServiceSid,
        environment: &EnvironmentSid,
        build: &BuildSid,
    ) -> Result<(), Error> {
        let form = [("BuildSid", build.as_str()), ("IsPlugin", "true")];
        let path = format!("/{service}/Environments/{environment}/Deployments");
        self.serverless(Method::POST, &path).done(&form).await
    }

    fn serverless(&self, method: Method, path: &str) -> Request {
        self.request(method, SERVERLESS, (BEFORE, path), None)
    }
}

/// The boundary and the body of a form with a file. The boundary is a hash of the file, which does not have it.
fn multipart(new: &NewAssetVersion<'_>) -> (String, Bytes) {
    let boundary = format!("rejoin-{:x}", Bytes::copy_from_slice(&Sha256::digest(new.content)));
    let name = new.path.rsplit('/').next().unwrap_or_default();
    let visibility = if new.public { "public" } else { "protected" };
    let mut body = BytesMut::new();
    for (field, value) in [("Path", new.path), ("Visibility", visibility)] {
        let part =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n");
        body.put_slice(part.as_bytes());
    }
    let head = format!(
        "--{boundary}\r\nContent-Disposition: form-data; name=\"Content\"; filename=\"{name}\"\r\n\
         Content-Type: {}\r\n\r\n",
        new.kind
    );
    body.put_slice(head.as_bytes());
    body.put_slice(new.content);
    body.put_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    (boundary, body.freeze())
}
