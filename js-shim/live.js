// @ts-check
// Parts that Flex draws among its own. What they show changes by itself, and Flex would not draw them again for it.

/** @type {import('./types').CreateLive} */
export const createLive = (show) => {
  // Flex provides React; bundling another copy would break both.
  const { React } = /** @type {any} */ (window);
  const drawn = /** @type {Set<(change: object) => void>} */ (new Set());
  const Live = (/** @type {any} */ props) => {
    const [, draw] = React.useState({});
    React.useEffect(() => {
      drawn.add(draw);
      draw({}); // changes since the first rendering
      return () => drawn.delete(draw);
    }, []);
    return show(React.createElement, props);
  };
  const add = (/** @type {any} */ place, /** @type {string} */ name, /** @type {object=} */ where) =>
    React?.useState &&
    place?.Content?.add?.(React.createElement(Live, { key: `rejoin-${name}`, name }), where);
  return { add, draw: () => drawn.forEach((draw) => draw({})) };
};
