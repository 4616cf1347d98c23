// The real @twilio/flex-ui, unmodified, with its real dependencies. What npm ships is a library that requires react
// and others, not a file for a script tag, so it is bundled here as Twilio's own hosted file is bundled by Twilio.
import * as Flex from '@twilio/flex-ui';

window.Twilio = window.Twilio || {};
window.Twilio.Flex = window.Twilio.Flex || Flex;
