//! The plugin's interface as an OpenAPI document (<https://spec.openapis.org/oas/v3.1.0>): generated from the code,
//! served at `/openapi.json`, and kept in `docs/openapi.json`.

use super::problem::Problem;
use super::{conversations, plugin, presence, push, readiness, view};
use axum::Json;
use rejoin_protocol::api;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{OpenApi, RefOr};
use utoipa::{Modify, OpenApi as _};

/// The scheme of the token in `Authorization`.
const BEARER: &str = "flexToken";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Rejoin plugin API",
        description = "What the plugin asks of the server. Fields that are not known are left alone on both sides. \
                       Requests with an `id` may be repeated: the same one counts once. Who asks comes from the Flex \
                       user's token alone. Errors are problem documents (RFC 9457) with a stable `code`."
    ),
    paths(plugin::hello, plugin::register, plugin::graceful, conversations::claim, plugin::goodbye, presence::presence, push::push, readiness::ready_for_pages, view::call),
    components(schemas(api::Push, api::Problem)),
    modifiers(&Rest)
)]
struct Document;

/// What the attributes cannot express.
struct Rest;

impl Modify for Rest {
    fn modify(&self, document: &mut OpenApi) {
        let Some(components) = document.components.as_mut() else { return };
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("Flex token").build();
        components.add_security_scheme(BEARER, SecurityScheme::Http(token));
        if let Some(RefOr::T(Schema::Object(problem))) = components.schemas.get_mut("Problem")
            && let Some(RefOr::T(Schema::Object(code))) = problem.properties.get_mut("code")
        {
            code.enum_values = Some(Problem::all().iter().map(|problem| problem.code().into()).collect());
        }
    }
}

/// The document.
pub fn document() -> OpenApi {
    Document::openapi()
}

/// `GET /openapi.json`. It contains nothing about this account, so it is public.
pub(crate) async fn openapi() -> Json<OpenApi> {
    Json(document())
}
