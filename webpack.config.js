// Hook of Twilio's plugin builder (webpack 4): lets it take the shim, wasm-bindgen's glue and the wasm itself.
const path = require('path');
const { gzipSync } = require('zlib');
const { SourceMapDevToolPlugin } = require('webpack');

module.exports = (config, { isProd }) => {
  const outside = ['js-shim', 'pkg'].map((folder) => path.resolve(__dirname, folder));
  // The builder refuses imports from outside src/ otherwise.
  config.resolve.plugins = config.resolve.plugins.filter((p) => p.constructor.name !== 'ModuleScopePlugin');
  // webpack 4 cannot parse ES2020: what lies outside src/ goes through the same Babel loader.
  const { oneOf } = config.module.rules.find((rule) => rule.oneOf);
  const babel = oneOf.find((rule) => /babel-loader/.test(String(rule.loader)));
  babel.include = [].concat(babel.include, outside);
  // Flex deploys one file, so the wasm travels inside it. Base64 of gzip is smaller than gzip of base64.
  config.module.rules.push({
    test: /\.wasm$/,
    type: 'javascript/auto',
    loader: require.resolve('url-loader'),
    options: { limit: true, generator: (wasm) => gzipSync(wasm, { level: 9 }).toString('base64') },
  });
  if (isProd) {
    // As shipped two source map plugins run and the production map is empty. Flex serves the map under this name.
    config.devtool = false;
    config.plugins = config.plugins.filter((p) => p.constructor.name !== 'SourceMapDevToolPlugin');
    config.plugins.push(
      new SourceMapDevToolPlugin({
        filename: '[file].map',
        append: '\n//# sourceMappingURL=bundle.js.map',
      }),
    );
  }
  return config;
};
