//! Services, environments, assets, builds, deployments.

use super::{Asked, Building, File, Hosting, either, found, text, those};
use crate::{
    clock::now,
    dates::iso,
    facts::{BUILD_TIME, LARGEST_FILE, PLUGIN_FILES},
    model::ApiError,
};
use axum::body::Bytes;
use rejoin_protocol::AccountSid;
use serde_json::{Value, json};

const URL: &str = "https://serverless.twilio.com/v1/Services";

/// A file, as it is uploaded.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    pub(crate) path: Option<String>,
    pub(crate) visibility: Option<String>,
    /// Media type and content.
    pub(crate) content: Option<(String, Bytes)>,
}

impl Hosting {
    /// A request below `/v1/Services`: the answer's status and body. A list is answered whole.
    pub(crate) fn serverless(&mut self, asked: &Asked<'_>) -> Result<(u16, Value), ApiError> {
        let missing = || ApiError::not_found("resource");
        match (asked.method, asked.segments) {
            ("GET", []) => Ok((200, json!({ "services": self.services }))),
            ("POST", []) => self.create_service(asked),
            ("GET", [service]) => Ok((200, either(&self.services, service, "service")?.clone())),
            (method, [service, rest @ ..]) => {
                let service = text(&either(&self.services, service, "service")?["sid"]);
                match (method, rest) {
                    ("GET", ["Environments"]) => {
                        let all = those(&self.environments, "service_sid", &service);
                        Ok((200, json!({ "environments": all })))
                    }
                    ("POST", ["Environments"]) => self.create_environment(asked, &service),
                    ("GET", ["Environments", sid]) => {
                        Ok((200, found(&self.environments, "sid", sid).ok_or_else(missing)?.clone()))
                    }
                    ("POST", ["Environments", sid, "Deployments"]) => self.deploy(asked, sid),
                    ("GET", ["Assets"]) => {
                        Ok((200, json!({ "assets": those(&self.assets, "service_sid", &service) })))
                    }
                    ("POST", ["Assets"]) => self.create_asset(asked, &service),
                    ("POST", ["Builds"]) => self.create_build(asked, &service),
                    ("GET", ["Builds", sid]) => Ok((200, self.build(sid).ok_or_else(missing)?)),
                    _ => Err(missing()),
                }
            }
            _ => Err(missing()),
        }
    }

    fn create_service(&mut self, asked: &Asked<'_>) -> Result<(u16, Value), ApiError> {
        let name = asked.needed("UniqueName")?;
        if found(&self.services, "unique_name", &name).is_some() {
            return Err(ApiError::bad_request("a service with this name exists"));
        }
        let service = self.resource(
            "ZS",
            asked.account,
            URL,
            json!({
                "unique_name": name, "friendly_name": asked.needed("FriendlyName")?, "include_credentials": true,
                "ui_editable": asked.is_set("UiEditable"), "domain_base": format!("{name}-1234"), "date_updated": iso(now()),
            }),
        );
        let mut service = Value::Object(service);
        let url = text(&service["url"]);
        let link = |name: &str| format!("{url}/{name}");
        service["links"] = json!({
            "environments": link("Environments"), "functions": link("Functions"), "assets": link("Assets"),
            "builds": link("Builds"),
        });
        self.services.push(service.clone());
        Ok((201, service))
    }

    fn create_environment(&mut self, asked: &Asked<'_>, service: &str) -> Result<(u16, Value), ApiError> {
        let name = asked.needed("UniqueName")?;
        let suffix = asked.text("DomainSuffix").unwrap_or_default();
        let taken = those(&self.environments, "service_sid", service);
        if taken.iter().any(|it| it["unique_name"] == name || it["domain_suffix"] == suffix) {
            return Err(ApiError::bad_request("an environment with this name or suffix exists"));
        }
        if suffix.len() > 16 || !suffix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Err(ApiError::bad_request("Invalid parameter DomainSuffix"));
        }
        let base =
            found(&self.services, "sid", service).map(|it| text(&it["domain_base"])).unwrap_or_default();
        let dash = if suffix.is_empty() { "" } else { "-" };
        let environment = self.resource(
            "ZE",
            asked.account,
            &format!("{URL}/{service}/Environments"),
            json!({
                "service_sid": service, "build_sid": null, "unique_name": name, "domain_suffix": suffix,
                "domain_name": format!("{base}{dash}{suffix}.twil.io"), "date_updated": iso(now()),
            }),
        );
        let mut environment = Value::Object(environment);
        let url = text(&environment["url"]);
        let link = |name: &str| format!("{url}/{name}");
        environment["links"] = json!({ "variables": link("Variables"), "deployments": link("Deployments"), "logs": link("Logs") });
        self.environments.push(environment.clone());
        Ok((201, environment))
    }

    fn create_asset(&mut self, asked: &Asked<'_>, service: &str) -> Result<(u16, Value), ApiError> {
        let asset = self.resource(
            "ZH",
            asked.account,
            &format!("{URL}/{service}/Assets"),
            json!({ "service_sid": service, "friendly_name": asked.needed("FriendlyName")?, "date_updated": iso(now()) }),
        );
        let mut asset = Value::Object(asset);
        asset["links"] = json!({ "asset_versions": format!("{}/Versions", text(&asset["url"])) });
        self.assets.push(asset.clone());
        Ok((201, asset))
    }

    /// `POST serverless-upload.twilio.com/v1/Services/{ZS}/Assets/{ZH}/Versions`.
    pub(crate) fn upload(
        &mut self,
        account: &AccountSid,
        asset: &str,
        upload: Upload,
    ) -> Result<(u16, Value), ApiError> {
        let service = found(&self.assets, "sid", asset).ok_or_else(|| ApiError::not_found("asset"))?;
        let service = text(&service["service_sid"]);
        let path = upload.path.filter(|path| path.starts_with('/') && path.len() < 255);
        let path = path.ok_or_else(|| ApiError::bad_request("Invalid parameter Path"))?;
        let visibility =
            upload.visibility.filter(|it| matches!(it.as_str(), "public" | "protected" | "private"));
        let visibility = visibility.ok_or_else(|| ApiError::bad_request("Invalid parameter Visibility"))?;
        let (kind, content) =
            upload.content.ok_or_else(|| ApiError::bad_request("Missing required parameter Content"))?;
        if content.len() > LARGEST_FILE {
            return Err(ApiError { status: 413, code: 20413, message: "the file is too large".into() });
        }
        let version = self.resource(
            "ZN",
            account,
            &format!("{URL}/{service}/Assets/{asset}/Versions"),
            json!({ "service_sid": service, "asset_sid": asset, "path": path, "visibility": visibility }),
        );
        let version = Value::Object(version);
        let protected = visibility != "public";
        self.files.insert(text(&version["sid"]), File { content, kind, protected });
        self.asset_versions.push(version.clone());
        Ok((201, version))
    }

    fn create_build(&mut self, asked: &Asked<'_>, service: &str) -> Result<(u16, Value), ApiError> {
        let wanted = (asked.all)("AssetVersions");
        let versions: Vec<Value> = wanted
            .iter()
            .map(|sid| {
                found(&self.asset_versions, "sid", sid).filter(|it| it["service_sid"] == service).cloned()
            })
            .collect::<Option<_>>()
            .ok_or_else(|| ApiError::bad_request("Invalid parameter AssetVersions"))?;
        let mut paths: Vec<&str> = versions.iter().filter_map(|it| it["path"].as_str()).collect();
        paths.sort_unstable();
        if paths.windows(2).any(|two| two[0] == two[1]) {
            return Err(ApiError::bad_request("two assets of a build have the same path"));
        }
        let build = self.resource(
            "ZB",
            asked.account,
            &format!("{URL}/{service}/Builds"),
            json!({
                "service_sid": service, "status": "building", "asset_versions": versions, "function_versions": [],
                "dependencies": [], "runtime": asked.text("Runtime").unwrap_or_else(|| "node22".into()),
                "date_updated": iso(now()),
            }),
        );
        let mut build = Value::Object(build);
        build["links"] = json!({ "build_status": format!("{}/Status", text(&build["url"])) });
        self.builds.push(Building { resource: build.clone(), done: now() + BUILD_TIME });
        Ok((201, build))
    }

    fn build(&self, sid: &str) -> Option<Value> {
        let building = self.builds.iter().find(|it| it.resource["sid"] == sid)?;
        let mut build = building.resource.clone();
        if now() >= building.done {
            build["status"] = "completed".into();
        }
        Some(build)
    }

    fn deploy(&mut self, asked: &Asked<'_>, environment: &str) -> Result<(u16, Value), ApiError> {
        let sid = asked.needed("BuildSid")?;
        let build = self.build(&sid).ok_or_else(|| ApiError::bad_request("Invalid parameter BuildSid"))?;
        if build["status"] != "completed" {
            return Err(ApiError::bad_request("the build is not completed"));
        }
        let paths =
            build["asset_versions"].as_array().into_iter().flatten().filter_map(|it| it["path"].as_str());
        if paths.clone().any(|path| path.starts_with(PLUGIN_FILES)) && !asked.is_set("IsPlugin") {
            return Err(ApiError::bad_request(
                "You cannot deploy Flex Plugins via the Serverless API. You must migrate to the Flex Plugin Builder",
            ));
        }
        let served = self.environments.iter_mut().find(|it| it["sid"] == environment);
        let served = served.ok_or_else(|| ApiError::not_found("environment"))?;
        served["build_sid"] = sid.as_str().into();
        let (service, url) = (text(&served["service_sid"]), text(&served["url"]));
        let more = json!({
            "service_sid": service, "environment_sid": environment, "build_sid": sid, "date_updated": iso(now()),
        });
        let deployment = self.resource("ZD", asked.account, &format!("{url}/Deployments"), more);
        Ok((201, Value::Object(deployment)))
    }

    /// The file that a domain serves under a path.
    pub(crate) fn file(&self, domain: &str, path: &str) -> Option<&File> {
        let environment = found(&self.environments, "domain_name", domain)?;
        let build = self.build(environment["build_sid"].as_str()?)?;
        let version =
            build["asset_versions"].as_array()?.iter().find(|it| it["path"] == path)?["sid"].as_str()?;
        self.files.get(version)
    }
}
