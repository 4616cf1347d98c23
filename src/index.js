import * as FlexPlugin from '@twilio/flex-plugin';
import RejoinPlugin from '../js-shim/plugin';
FlexPlugin.loadPlugin(RejoinPlugin);
