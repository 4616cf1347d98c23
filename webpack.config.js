// Hook of Twilio's plugin builder (webpack 4): lets it take the shim and what the core's build has made.
const path = require('path');
const { BannerPlugin, SourceMapDevToolPlugin } = require('webpack');

const { name, version } = require('./package.json');

/** What becomes `<name>.js.LICENSE.txt`. */
const LICENCES = `${name} ${version}, Apache-2.0.
Contains @twilio/flex-plugin (MIT, Twilio Inc.) and, as WebAssembly, the Rust standard library and the crates gloo-*,
js-sys, serde, wasm-bindgen* and web-sys (MIT or Apache-2.0).`;

/** The builder's own Babel knows where its presets are. */
const babelPreset = () => {
  const nearby = { paths: [path.dirname(require.resolve('babel-preset-react-app/package.json'))] };
  // What webpack 4 cannot parse is rewritten (`?.`, `??`, fields of classes), and nothing else: every browser that
  // Flex supports knows the rest, and rewritten to ES5 the same code is half as large again.
  return [require.resolve('@babel/preset-env', nearby), { targets: { chrome: 71 }, modules: false }];
};

module.exports = (config, { isProd }) => {
  const outside = ['js-shim', 'pkg'].map((folder) => path.resolve(__dirname, folder));
  // The builder refuses imports from outside src/ otherwise.
  config.resolve.plugins = config.resolve.plugins.filter((p) => p.constructor.name !== 'ModuleScopePlugin');
  const { oneOf } = config.module.rules.find((rule) => rule.oneOf);
  const babel = oneOf.find((rule) => /babel-loader/.test(String(rule.loader)));
  babel.include = [].concat(babel.include, outside);
  babel.options = { ...babel.options, customize: undefined, presets: [babelPreset()] };
  if (isProd) {
    // As shipped the builder writes ES5 and keeps the name of every function.
    const ecma = 2018;
    const [terser] = config.optimization.minimizer;
    terser.options.terserOptions = {
      ecma,
      compress: { ecma, passes: 2 },
      output: { ecma, ascii_only: true },
    };
    config.plugins.push(new BannerPlugin({ banner: LICENCES }));
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
