// A plugin that accounts may have besides ours: listens to the same actions and adds an option of its own to calls.
(() => {
  /** Outlives a reload, as what it tells about does. */
  const heard = (what) => {
    const soFar = JSON.parse(sessionStorage.getItem('heard') ?? '[]');
    sessionStorage.setItem('heard', JSON.stringify([...soFar, what]));
  };
  class ActionListenerPlugin {
    constructor() {
      this.name = 'ActionListenerPlugin';
    }
    init(flex) {
      for (const action of ['AcceptTask', 'HangupCall', 'WrapupTask', 'CompleteTask']) {
        flex.Actions.addListener(`before${action}`, (payload) => {
          heard(`before ${action}`);
          if (action === 'AcceptTask') {
            payload.conferenceOptions = { ...payload.conferenceOptions, conferenceTrim: 'trim-silence' };
          }
        });
        flex.Actions.addListener(`after${action}`, ({ conferenceOptions }) => {
          heard(`after ${action}`);
          if (conferenceOptions) window.acceptedWith = conferenceOptions;
        });
      }
    }
  }
  window.Twilio.Flex.Plugins.init(ActionListenerPlugin);
})();
