// A plugin that accounts may have beside ours: does what the conference feature of Twilio's project template does.
// Whenever two are left on a call it has `endConferenceOnExit` set for everybody on it, and taken back with a third, by
// a function of the account that asks the REST API. (The template begins with the third; this one already with two.)
(() => {
  const FUNCTION = '{{function}}'; // filled in by the test
  const seen = new Map();
  class ConferenceMonitorPlugin {
    constructor() {
      this.name = 'ConferenceMonitorPlugin';
    }
    init(_flex, manager) {
      const look = () => {
        for (const { source } of manager.store.getState().flex.conferences.states.values()) {
          const live = source.participants.filter(({ status, callSid }) => status === 'joined' && callSid);
          const before = seen.get(source.conferenceSid) ?? 0;
          seen.set(source.conferenceSid, live.length);
          if (live.length < 2 || Math.min(live.length, 3) === Math.min(before, 3)) continue;
          for (const { callSid } of live) {
            const endConferenceOnExit = live.length === 2;
            const body = JSON.stringify({ conference: source.conferenceSid, callSid, endConferenceOnExit });
            fetch(FUNCTION, { method: 'POST', body }).catch((error) => console.warn('monitor', error));
          }
        }
      };
      manager.store.subscribe(look);
    }
  }
  window.Twilio.Flex.Plugins.init(ConferenceMonitorPlugin);
})();
