// Real-client tests with kafkajs: producing and administration; groups.js has the rest. One line a test on standard
// output.
"use strict"

const assert = require("node:assert/strict")
const { execFileSync } = require("node:child_process")
const { CompressionTypes, CompressionCodecs, ConfigResourceTypes, Kafka, Partitioners, logLevel } = require("kafkajs")

CompressionCodecs[CompressionTypes.Snappy] = require("kafkajs-snappy")

const { BOOTSTRAP, STORED, OFFERS } = process.env
const kafka = new Kafka({ clientId: "ringmain-clients", brokers: [BOOTSTRAP], logLevel: logLevel.WARN })
const admin = kafka.admin()
let names = 0

// A name which no earlier run used.
const name = () => `node-${Date.now()}-${names++}`

// What a call changed may take a moment to be seen.
async function eventually(what, truth) {
  for (const until = Date.now() + 30000; !(await truth());) {
    assert(Date.now() < until, what)
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

async function topic(numPartitions = 1, settings = {}) {
  const topic = name()
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }))
  assert(await admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }] }))
  // Kafka answers before every partition can be written.
  await eventually("every partition has a leader", () =>
    admin.fetchTopicOffsets(topic).then(offsets => offsets.length === numPartitions, () => false))
  return topic
}

async function produce(options, batch) {
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner, ...options })
  await producer.connect()
  try {
    return await producer.send(batch)
  } finally {
    await producer.disconnect()
  }
}

// Every record of a partition, by kcat, in its own format.
function read(topic, partition, format) {
  const settings = ["-b", BOOTSTRAP, "-X", "check.crcs=true", "-C", "-q", "-e", "-o", "beginning"]
  const out = execFileSync("kcat", [...settings, "-t", topic, "-p", `${partition}`, "-f", format + "\\n"],
    { encoding: "utf8", timeout: 30000 })
  return out.split("\n").slice(0, -1)
}

const stored = (topic, partition) =>
  execFileSync(STORED, [BOOTSTRAP, topic, `${partition}`], { encoding: "utf8" }).trim().split("\n").map(line => line.split(" "))

const numbered = count => Array.from({ length: count }, (_, at) => ({
  partition: 0, key: `key ${at}`, value: `value ${at}, padded so that it is worth a codec's while` }))

const text = messages => messages.map(({ key, value }) => `${key}:${value}`)

async function refused(promise, type) {
  await assert.rejects(promise, error => {
    const types = [error.type, ...(error.errors ?? []).map(one => one.type)]
    assert(types.includes(type), `${types} should be ${type}: ${error}`)
    return true
  })
}

async function codec(compression, word) {
  const one = await topic()
  const messages = numbered(1000)
  const [result] = await produce({}, { topic: one, messages, compression })
  assert.equal(result.errorCode, 0)
  assert.equal(result.baseOffset, "0")
  assert.deepEqual(read(one, 0, "%k:%s"), text(messages))
  assert.deepEqual(new Set(stored(one, 0).map(batch => batch[2])), new Set([word]))
}

const tests = {
  codec_none: () => codec(CompressionTypes.None, "none"),
  codec_gzip: () => codec(CompressionTypes.GZIP, "gzip"),
  codec_snappy: () => codec(CompressionTypes.Snappy, "snappy"),

  async acks() {
    const one = await topic()
    for (const acks of [-1, 1, 0]) await produce({}, { topic: one, acks, messages: numbered(10) })
    await eventually("thirty records", () => read(one, 0, "%k").length === 30)
    assert.deepEqual(read(one, 0, "%k:%s"), [1, 2, 3].flatMap(() => text(numbered(10))))
  },

  async idempotent() {
    const one = await topic()
    const producer = kafka.producer({ idempotent: true, createPartitioner: Partitioners.DefaultPartitioner })
    await producer.connect()
    for (let round = 0; round < 20; round++) await producer.send({ topic: one, messages: numbered(10) })
    await producer.disconnect()
    const batches = stored(one, 0)
    assert.deepEqual(batches.map(batch => Number(batch[5])), Array.from({ length: 20 }, (_, at) => 10 * at))
    assert.equal(new Set(batches.map(batch => batch[3])).size, 1)
    assert.notEqual(batches[0][3], "-1")
  },

  async headers_nulls_and_time() {
    const one = await topic()
    const timestamp = "1600000000123"
    await produce({}, { topic: one, messages: [
      { value: "x", headers: { name: "value", empty: "" }, timestamp }, { key: "k", value: null, timestamp }] })
    assert.deepEqual(read(one, 0, "%T|%h|%K|%S"), [`${timestamp}|name=value,empty=|-1|1`, `${timestamp}||1|-1`])
  },

  async too_large_is_refused() {
    const one = await topic(1, { "max.message.bytes": "1000" })
    const messages = [{ value: "x".repeat(2000) }]
    await refused(produce({ retry: { retries: 0 } }, { topic: one, messages }), "MESSAGE_TOO_LARGE")
    await produce({}, { topic: one, messages: [{ value: "small" }] })
    assert.deepEqual(read(one, 0, "%s"), ["small"])
  },

  async offsets() {
    const one = await topic(2)
    const start = 1700000000000
    const messages = Array.from({ length: 10 }, (_, at) => ({ partition: 1, value: "x", timestamp: `${start + 10 * at}` }))
    await produce({}, { topic: one, messages })
    const of = (offsets, partition) => offsets.find(found => found.partition === partition)
    const offsets = await admin.fetchTopicOffsets(one)
    assert.deepEqual(of(offsets, 0), { partition: 0, offset: "0", high: "0", low: "0" })
    assert.deepEqual(of(offsets, 1), { partition: 1, offset: "10", high: "10", low: "0" })
    // Beyond the last timestamp kafkajs gives the end, itself.
    for (const [after, offset] of [[0, "0"], [41, "5"], [90, "9"], [91, "10"]]) {
      assert.equal(of(await admin.fetchTopicOffsetsByTimestamp(one, start + after), 1).offset, offset, `after ${after}`)
    }
  },

  async topics() {
    const one = await topic(3)
    assert((await admin.listTopics()).includes(one))
    const { topics: [found] } = await admin.fetchTopicMetadata({ topics: [one] })
    assert.deepEqual(found.partitions.map(partition => partition.partitionId).sort(), [0, 1, 2])
    assert.equal(await admin.createTopics({ topics: [{ topic: one }] }), false, "it exists")
    await admin.createPartitions({ topicPartitions: [{ topic: one, count: 5 }] })
    await eventually("five partitions", async () =>
      (await admin.fetchTopicMetadata({ topics: [one] })).topics[0].partitions.length === 5)
    await refused(admin.createPartitions({ topicPartitions: [{ topic: one, count: 2 }] }), "INVALID_PARTITIONS")
    await admin.deleteTopics({ topics: [one] })
    await eventually("deleted", async () => !(await admin.listTopics()).includes(one))
    await refused(admin.createTopics({ topics: [{ topic: "no spaces" }] }), "INVALID_TOPIC_EXCEPTION")
  },

  async configs() {
    const one = await topic(1, { "retention.ms": "7777" })
    const resource = { type: ConfigResourceTypes.TOPIC, name: one }
    const value = async name => {
      const { resources: [found] } = await admin.describeConfigs({ includeSynonyms: false, resources: [resource] })
      return found.configEntries.find(entry => entry.configName === name).configValue
    }
    assert.equal(await value("retention.ms"), "7777")
    assert.equal(await value("max.message.bytes"), "1048588")
    const configEntries = [{ name: "max.message.bytes", value: "5000" }]
    await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries }] })
    await eventually("the new limit", async () => await value("max.message.bytes") === "5000")
    assert.equal(await value("retention.ms"), "604800000", "the old call takes back what it does not name")
  },

  async delete_records() {
    const one = await topic()
    await produce({}, { topic: one, messages: numbered(100) })
    await admin.deleteTopicRecords({ topic: one, partitions: [{ partition: 0, offset: "55" }] })
    assert.equal((await admin.fetchTopicOffsets(one))[0].low, "55")
    assert.deepEqual(read(one, 0, "%k:%s"), text(numbered(100).slice(55)))
  },

  async cluster() {
    const { brokers, controller, clusterId } = await admin.describeCluster()
    assert(clusterId)
    assert(brokers.some(broker => broker.nodeId === controller))
    assert(brokers.some(broker => BOOTSTRAP.endsWith(`:${broker.port}`)))
  },
}

const all = {
  ...Object.fromEntries(Object.entries(tests).map(([name, test]) => [name, [{}, test]])),
  ...require("./groups")({ kafka, admin, topic, produce, read, eventually, numbered }),
}

async function main() {
  let failed = false
  await admin.connect()
  for (const [name, [apis, test]] of Object.entries(all)) {
    console.error(`--- ${name}`)
    const lacking = Object.keys(apis).filter(api => !OFFERS.split(" ").includes(`${apis[api]}`))
    if (lacking.length > 0) {
      console.log(`skip ${name}: the broker does not offer ${lacking.join(", ")}`)
      continue
    }
    try {
      await test()
      console.log(`ok ${name}`)
    } catch (error) {
      failed = true
      console.error(error)
      console.log(`FAIL ${name}: ${`${error}`.replaceAll("\n", " ")}`)
    }
  }
  await admin.disconnect()
  process.exitCode = failed ? 1 : 0
}

main()
