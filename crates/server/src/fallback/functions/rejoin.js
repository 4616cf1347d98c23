// Reads a request as `crates/server/src/fallback/answer.rs` does, and fills in one of its documents. RULES, with the documents, is
// written before this by `rejoin fallback export`. Nothing here asks anybody or keeps anything.

const { createHmac, timingSafeEqual } = require('node:crypto');

const SID = (prefix) => new RegExp(`^${prefix}[0-9a-fA-F]{32}$`);
const [WORKFLOW, TASK, RECOVERY] = [SID('WW'), SID('WT'), SID(RULES.recovery)];

/** The first value of a parameter; Twilio's runtime makes a list of a repeated one. */
const value = (params, name) => {
  const given = Object.hasOwn(params, name) ? params[name] : undefined;
  const first = Array.isArray(given) ? given[0] : given;
  return first === undefined || first === null ? undefined : String(first);
};

/** The end point of a path, and what follows its name. */
function endPoint(path) {
  if (!path.startsWith('/twiml/')) return undefined;
  const rest = path.slice('/twiml/'.length);
  const slash = rest.indexOf('/');
  const [name, id] = slash < 0 ? [rest, ''] : [rest.slice(0, slash), rest.slice(slash + 1)];
  return RULES.endPoints.includes(name) ? { name, id: id || undefined } : undefined;
}

/** The query of an address; of a repeated parameter the first value. */
function parsed(query) {
  const params = Object.create(null);
  for (const [name, given] of new URLSearchParams(query)) if (!(name in params)) params[name] = given;
  return params;
}

/** The document of the first server that failed, as Twilio names it. */
function named(form) {
  const url = value(form, 'ErrorUrl')?.split('#')[0];
  const primary = url === undefined ? undefined : RULES.primary.find((it) => url.startsWith(it));
  if (primary === undefined) return undefined;
  const rest = url.slice(primary.length);
  const at = rest.indexOf('?');
  const found = endPoint(at < 0 ? rest : rest.slice(0, at));
  return found && { ...found, query: parsed(at < 0 ? '' : rest.slice(at + 1)) };
}

const isBase64Url = (text) => /^[A-Za-z0-9_-]*$/.test(text);

/** The context that the first server has sealed, with the query that carries it on. */
function opened(query, tokens) {
  const [c, m] = [value(query, 'c'), value(query, 'm')];
  if (c === undefined || m === undefined || c.length > RULES.longest || !isBase64Url(c + m)) return undefined;
  const given = Buffer.from(m, 'base64url');
  const isOurs = tokens.some((token) => {
    const made = createHmac('sha256', token).update(RULES.purpose).update(c).digest();
    return made.length === given.length && timingSafeEqual(made, given);
  });
  if (!isOurs) return undefined;
  try {
    const { w, p, l, r, a } = JSON.parse(Buffer.from(c, 'base64url').toString('utf8'));
    const context = { workflow: w, priority: p, language: l, recovery: r, attributes: a };
    return { context, sealed: `c=${c}&m=${m}` };
  } catch {
    return undefined;
  }
}

/** For an address that names only a workflow, as that of a number does. */
function byWorkflow(query) {
  const given = value(query, 'workflow');
  const workflow = given !== undefined && WORKFLOW.test(given) ? given : RULES.workflow;
  return workflow && { workflow, priority: RULES.priority, attributes: '{}' };
}

const family = (tag) => tag.split(/[-_]/)[0];

/** A phrase in the caller's language, else in one of its family, else in the default language. */
function said(phrase, context) {
  const all = RULES.phrases[phrase];
  const isSame = (one, other) => one.toLowerCase() === other.toLowerCase();
  const best = (wanted) =>
    all.find(([tag]) => isSame(tag, wanted)) ?? all.find(([tag]) => isSame(family(tag), family(wanted)));
  const wanted = context?.language?.trim();
  const found = (wanted === undefined ? undefined : best(wanted)) ?? best(RULES.language) ?? best('en-US');
  return { language: found[0], text: found[1] };
}

const carried = (prefix, sealed) => (sealed ? prefix + sealed : '');
const withOverrides = (url, overrides) => (overrides ? `${url}#${overrides}` : url);

/** Why a customer has left the queue. */
function queueResult(form) {
  const result = value(form, 'QueueResult');
  if (result === undefined || ['bridged', 'bridging-in-process'].includes(result)) return 'unknown';
  return ['hangup', 'redirected', 'redirected-from-bridged'].includes(result) ? 'gone' : 'left';
}

/** The first server's document for a customer who is to be queued, or whose call has ended, with one more hop. */
function back(recovery, hop, given) {
  const path = recovery ? `/twiml/fallback/${recovery}?` : '/twiml/ended?asked=0&';
  return withOverrides(
    `${RULES.primary[0]}${path}hop=${hop + 1}${carried('&', given.sealed)}`,
    RULES.overrides && RULES.back,
  );
}

const over = () => (RULES.endedUrl ? ['over', { url: RULES.endedUrl }] : ['nothing', {}]);

/** Back to the first server, again and again, until it is known whether the agent was lost; then into the queue. */
function kept(failed, given) {
  if (failed.hop < (given.context ? RULES.kept : RULES.most)) {
    const values = { back: back(undefined, failed.hop, given) };
    return failed.hop === 0
      ? ['keep-words', { ...said('interrupted', given.context), ...values }]
      : ['keep', values];
  }
  return given.context ? toQueue(failed, given) : over();
}

/** Into the queue. Without a workflow only the first server knows into which. */
function toQueue(failed, given) {
  const { context } = given;
  if (failed.hop >= RULES.most) return ['words', said('lost', context)];
  const recovery = context?.recovery ?? (failed.id && RECOVERY.test(failed.id) ? failed.id : undefined);
  const address = back(recovery, failed.hop, given);
  if (!context) {
    return failed.hop === 0
      ? ['keep-words', { ...said('interrupted'), back: address }]
      : ['keep', { back: address }];
  }
  const after = recovery ? `/twiml/after/${recovery}` : '/twiml/ended';
  const { workflow, priority, attributes } = context;
  return [
    'queue',
    {
      ...said('again', context),
      workflow,
      priority,
      attributes,
      wait: withOverrides(`${given.own}/twiml/wait`, RULES.overrides),
      after: withOverrides(`${RULES.primary[0]}${after}${carried('?', given.sealed)}`, RULES.overrides),
      back: address,
    },
  ];
}

/** A document by its name, and what fills it; `undefined`: there is no such end point. */
function decide(own, { path, query, form }, tokens) {
  const asked = endPoint(path);
  if (!asked) return undefined;
  const failed = (asked.name === 'fallback' ? named(form) : undefined) ?? { ...asked, query };
  const hop = value(failed.query, 'hop') ?? '0';
  failed.hop = /^\+?\d+$/.test(hop) && Number(hop) < 2 ** 32 ? Number(hop) : 0;
  const given = opened(failed.query, tokens) ??
    opened(query, tokens) ?? { context: byWorkflow(query), sealed: '' };
  given.own = own;
  const result = queueResult(form);
  const isSet = (name) => value(failed.query, name) === 'true';
  switch (failed.name) {
    case 'announce':
      return ['words', said('interrupted', given.context)];
    case 'hold':
      return isSet('told') ? ['hold-heard', {}] : ['hold', said('interrupted', given.context)];
    case 'comfort':
      return ['comfort', {}];
    case 'wait':
      return ['wait', {}];
    case 'lost':
      return ['words', said('lost', given.context)];
    case 'test-call':
      return ['hang-up', {}];
    case 'move': {
      const task = failed.id ?? value(failed.query, 'task') ?? '';
      if (!TASK.test(task)) return undefined;
      const label = value(failed.query, 'label');
      const flags = [isSet('muted') && '-muted', isSet('end') && '-end', label !== undefined && '-label'];
      return [`follow${flags.filter(Boolean).join('')}`, { task, label }];
    }
    case 'after':
      if (result === 'gone') return ['nothing', {}];
      return result === 'left' ? toQueue(failed, given) : kept(failed, given);
    case 'ended':
      if (result === 'gone') return ['nothing', {}];
      return result === 'left' ? over() : kept(failed, given);
    default:
      return toQueue(failed, given);
  }
}

/** Characters that no XML document may contain. */
const FORBIDDEN = /[^\t\n\r\u0020-\ufffd\u{10000}-\u{10ffff}]/gu;
const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', "'": '&apos;', '"': '&quot;' };

function answer(own, asked, tokens) {
  const decision = decide(own, asked, tokens.filter(Boolean));
  if (!decision) return undefined;
  const [name, values] = decision;
  // In an attribute quotes are escaped, too.
  return RULES.documents[name].replace(/(=")?\{\{(\w+)\}\}/g, (_, attribute, key) => {
    const text = String(key === 'own' ? own : values[key]).replace(FORBIDDEN, '');
    const escaped = text.replace(attribute ? /[&<>'"]/g : /[&<>]/g, (sign) => ENTITIES[sign]);
    return `${attribute ?? ''}${escaped}`;
  });
}

exports.answer = answer;

/** The handler of one end point. Twilio's runtime has verified the signature, because the function is protected. */
exports.handlerOf = (name) => (context, event, callback) => {
  const params = { ...event };
  delete params.request;
  const own = RULES.own || `https://${context.DOMAIN_NAME}`;
  const tokens = [context.AUTH_TOKEN, context.AUTH_TOKEN_PREVIOUS];
  const response = new Twilio.Response();
  const document = answer(own, { path: `/twiml/${name}`, query: params, form: params }, tokens);
  if (document === undefined) {
    response.setStatusCode(404);
  } else {
    response.appendHeader('Content-Type', 'text/xml; charset=utf-8');
    response.setBody(document);
  }
  return callback(null, response);
};
