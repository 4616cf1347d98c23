// Globals of Node that some of Flex's dependencies expect.
export { default as process } from 'process/browser';
export { Buffer } from 'buffer';
