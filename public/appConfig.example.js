// For `flex-plugin start`: copy to public/appConfig.js and fill in. A deployed plugin reads the same object from the
// Flex configuration of the account: ui_attributes.custom_data.rejoin.
var appConfig = {
  pluginService: { enabled: true, url: '/plugins' },
  ytica: false,
  logLevel: 'info',
  showSupervisorDesktopView: true,
  custom_data: {
    rejoin: {
      // Base URL of the Rejoin server. Browsers and Twilio must both reach it, over https in production.
      server: 'https://rejoin.example.com',
    },
  },
};
