//! The blocking dialog: shows the machine's state in Flex's look. A native modal `<dialog>` keeps the focus inside;
//! in a shadow root neither Flex's styles nor ours reach the other side.

use crate::agent::Dialog;
use crate::shell::flex::Flex;
use crate::shell::js::{self, set};
use crate::value::joined;
use gloo_timers::callback::Timeout;
use js_sys::{Array, Object};
use rejoin_protocol::Millis;
use rejoin_protocol::api::Failure;
use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;

const TEXT: &str = "textContent";

#[wasm_bindgen]
extern "C" {
    /// The plugin's texts, in Flex's language, and the dialog's markup and style.
    pub type Looks;

    /// What is in the dialog's shadow root, as HTML.
    #[wasm_bindgen(method, getter)]
    fn markup(this: &Looks) -> JsValue;

    /// Its style sheet.
    #[wasm_bindgen(method, getter)]
    fn style(this: &Looks) -> JsValue;

    /// The text with this name, with each gap filled in.
    #[wasm_bindgen(method, catch)]
    fn text(this: &Looks, name: &str, values: &Object) -> Result<JsValue, JsValue>;

    /// The language of the texts, such as `de`.
    #[wasm_bindgen(method, catch)]
    fn language(this: &Looks) -> Result<JsValue, JsValue>;
}

/// The dialog, built when it is first shown.
pub(super) struct Window {
    looks: Looks,
    flex: Flex,
    element: OnceCell<JsValue>,
    /// True when it should be open.
    wanted: Cell<bool>,
    countdown: RefCell<Option<Timeout>>,
    /// Called when the button is pressed.
    pressed: Box<dyn Fn()>,
}

/// The appearance of a dialog.
struct Face {
    class: &'static str,
    /// Path of the icon.
    icon: &'static str,
    /// Name of the text; the title's name has `Title` behind it.
    name: &'static str,
    /// Name of the button's text; empty: there is no button.
    button: &'static str,
}

impl Face {
    fn of(dialog: &Dialog) -> Self {
        let face = |class, icon, name, button| Self { class, icon, name, button };
        let busy = |name| face("busy", "M14 2.5A11.5 11.5 0 0 1 25.5 14", name, "");
        let alarm = |name, button| face("failed", "M14 8.5V15M14 19.5v.01", name, button);
        let told = |name, button| face("told", "M14 13v6.5M14 8.5v.01", name, button);
        match dialog {
            Dialog::Checking => busy("checking"),
            Dialog::Unreachable => told("unreachable", "continue"),
            Dialog::Interrupted { .. } => busy("interrupted"),
            Dialog::WaitingForPhone { .. } => busy("waitingForPhone"),
            Dialog::MicrophoneDenied { .. } => alarm("microphoneDenied", ""),
            Dialog::NoMicrophone { .. } => alarm("noMicrophone", ""),
            Dialog::NeedsClick => told("needsClick", "turnOnSound"),
            Dialog::InPlace => busy("inPlace"),
            Dialog::Reconnecting => busy("reconnecting"),
            Dialog::Slow => told("slow", "continue"),
            Dialog::Rejoined => face("done", "m9 14.5 3.5 3.5 7-8", "rejoined", ""),
            Dialog::WaitingForOther => told("waitingForOther", "close"),
            Dialog::TooOften => told("tooOften", "close"),
            Dialog::HandedOver { .. } => told("handedOver", "close"),
            Dialog::CustomerLeft => told("customerLeft", "ok"),
            Dialog::Failed { reason } => alarm(
                match reason {
                    Failure::NobodyTookIt => "failedNobodyTookIt",
                    Failure::NotRequeued => "failedNotRequeued",
                    Failure::Other => "failed",
                },
                "ok",
            ),
        }
    }
}

impl Window {
    pub(super) fn new(looks: Looks, flex: Flex, pressed: impl Fn() + 'static) -> Rc<Self> {
        Rc::new(Self {
            looks,
            flex,
            element: OnceCell::new(),
            wanted: Cell::new(false),
            countdown: RefCell::default(),
            pressed: Box::new(pressed),
        })
    }

    /// Shows a dialog, or none.
    pub(super) fn show(self: &Rc<Self>, dialog: Option<&Dialog>) {
        self.wanted.set(dialog.is_some());
        self.countdown.replace(None);
        // A page in which it fails has no dialog.
        let _ = match (dialog, self.element.get()) {
            (Some(dialog), _) => self.fill(dialog),
            (None, Some(element)) => js::call(element, "close", &[]).map(drop),
            (None, None) => Ok(()),
        };
    }

    fn fill(self: &Rc<Self>, dialog: &Dialog) -> Result<(), JsValue> {
        if self.element.get().is_none() {
            let _ = self.element.set(self.build()?);
        }
        let Some(element) = self.element.get() else { return Ok(()) };
        let face = Face::of(dialog);
        let values = Object::new();
        let mut until = None;
        match dialog {
            Dialog::HandedOver { name: Some(name) } => set(&values, "name", &name.into()),
            Dialog::Interrupted { until: at }
            | Dialog::WaitingForPhone { until: at }
            | Dialog::MicrophoneDenied { until: at }
            | Dialog::NoMicrophone { until: at } => until = *at,
            _ => {}
        }
        let say = |part: &JsValue, name: &str| {
            set(part, TEXT, &self.looks.text(name, &values)?);
            Ok::<_, JsValue>(())
        };
        let dark = if self.flex.is_dark() { " dark" } else { "" };
        set(element, "className", &joined(&[face.class, dark]).into());
        set(element, "lang", &self.looks.language()?);
        set(&part(element, "g")?, "innerHTML", &joined(&["<path d='", face.icon, "'/>"]).into());
        let title = if face.name.starts_with("failed") { "failed" } else { face.name };
        say(&part(element, "h2")?, &joined(&[title, "Title"]))?;
        say(&part(element, ".text")?, face.name)?;
        let button = part(element, "button")?;
        set(&button, "hidden", &face.button.is_empty().into());
        let mut focus = element;
        if !face.button.is_empty() {
            say(&button, face.button)?;
            focus = &button;
        }
        self.tick(until)?;
        if !js::at(element, "open").is_truthy() {
            js::call(element, "showModal", &[])?;
        }
        js::call(focus, "focus", &[]).map(drop)
    }

    /// Shows the remaining time, and updates it every second.
    fn tick(self: &Rc<Self>, until: Option<Millis>) -> Result<(), JsValue> {
        let Some(element) = self.element.get() else { return Ok(()) };
        let timer = part(element, ".timer")?;
        let seconds = until.map_or(0, |until| super::now().until(until).0.div_ceil(1000));
        if seconds == 0 {
            set(&timer, TEXT, &JsValue::NULL);
            return Ok(());
        }
        let values = Object::new();
        set(&values, "seconds", &(seconds as f64).into());
        set(&timer, TEXT, &self.looks.text("countdown", &values)?);
        let this = Rc::downgrade(self);
        let again = Timeout::new(1000, move || {
            if let Some(this) = this.upgrade() {
                let _ = this.tick(until); // it succeeded a second ago
            }
        });
        self.countdown.replace(Some(again));
        Ok(())
    }

    fn build(self: &Rc<Self>) -> Result<JsValue, JsValue> {
        let document = js::at(&js_sys::global(), "document");
        let host = js::call(&document, "createElement", &[&"rejoin-dialog".into()])?;
        let open = js::object(&[("mode", &"open".into())]);
        let root = js::call(&host, "attachShadow", &[&open])?;
        set(&root, "innerHTML", &self.looks.markup());
        // Allowed under any content security policy, unlike <style>.
        let sheet = js::construct("CSSStyleSheet", &[])?;
        js::call(&sheet, "replaceSync", &[&self.looks.style()])?;
        set(&root, "adoptedStyleSheets", &Array::of1(&sheet));
        let element = part(&root, "dialog")?;
        let this = Rc::downgrade(self);
        let heard = Closure::<dyn Fn(JsValue)>::new(move |event: JsValue| {
            let Some(this) = this.upgrade() else { return };
            // A dialog that the page has removed needs no further care.
            let _ = this.heard(&event);
        });
        let heard = heard.into_js_value(); // for as long as the page lives
        for name in ["oncancel", "onclose"] {
            set(&element, name, &heard);
        }
        set(&part(&element, "button")?, "onclick", &heard);
        js::call(&js::at(&document, "body"), "append", &[&host])?;
        Ok(element)
    }

    fn heard(&self, event: &JsValue) -> Result<(), JsValue> {
        match js::at(event, "type").as_string().as_deref() {
            Some("click") => (self.pressed)(),
            Some("cancel") => js::call(event, "preventDefault", &[]).map(drop)?,
            // `close`: pressing Esc twice gets past `cancel`.
            _ => {
                if let Some(element) = self.element.get().filter(|_| self.wanted.get()) {
                    js::call(element, "showModal", &[])?;
                }
            }
        }
        Ok(())
    }
}

fn part(of: &JsValue, selector: &str) -> Result<JsValue, JsValue> {
    js::call(of, "querySelector", &[&selector.into()])
}
