// Consumer groups and transactions with kafkajs; tests.js runs these where the broker offers their APIs.
"use strict"

const assert = require("node:assert/strict")
const { Partitioners } = require("kafkajs")

const groups = { JoinGroup: 11, OffsetCommit: 8 }
const transactions = { AddPartitionsToTxn: 24, EndTxn: 26 }

module.exports = ({ kafka, admin, topic, produce, read, eventually, numbered }) => {
  // A consumer of a group, running; what came to it and what it was given.
  async function member(groupId, topic) {
    const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 300, rebalanceTimeout: 6000 })
    const me = { consumer, came: [], has: [] }
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => { me.has = payload.memberAssignment[topic] ?? [] })
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({ autoCommit: false, eachMessage: async ({ partition, message }) => {
      me.came.push({ partition, offset: Number(message.offset), value: `${message.value}` }) } })
    return me
  }

  async function committed(groupId, topic) {
    const [found] = await admin.fetchOffsets({ groupId, topics: [topic] })
    return found.partitions[0].offset
  }

  const transactional = transactionalId => kafka.producer({
    transactionalId, idempotent: true, maxInFlightRequests: 1, createPartitioner: Partitioners.DefaultPartitioner })

  const spread = count => Array.from({ length: count }, (_, at) => ({ partition: at % 4, value: `${at}` }))

  return {
    group_shares_and_inherits: [groups, async () => {
      const one = await topic(4)
      const members = [await member(one, one), await member(one, one)]
      await eventually("two partitions each", () => members.every(({ has }) => has.length === 2))
      await produce({}, { topic: one, messages: spread(200) })
      await eventually("all records", () => members.every(({ came }) => came.length >= 100))
      for (const { came, has } of members) {
        assert.equal(came.length, 100)
        assert(came.every(({ partition }) => has.includes(partition)))
      }
      await members[0].consumer.disconnect()
      await eventually("all partitions", () => members[1].has.length === 4)
      await members[1].consumer.disconnect()
    }],

    group_commits_and_resumes: [groups, async () => {
      const one = await topic()
      await produce({}, { topic: one, messages: numbered(100) })
      const first = await member(one, one)
      await eventually("all records", () => first.came.length === 100)
      await first.consumer.commitOffsets([{ topic: one, partition: 0, offset: "42" }])
      assert.equal(await committed(one, one), "42")
      await first.consumer.disconnect()
      const second = await member(one, one)
      await eventually("the rest", () => second.came.length === 58)
      assert.deepEqual(second.came.map(({ offset }) => offset), Array.from({ length: 58 }, (_, at) => 42 + at))
      second.consumer.seek({ topic: one, partition: 0, offset: "90" })
      await eventually("ten again", () => second.came.length === 68)
      await second.consumer.disconnect()
    }],

    group_is_told_of_and_deleted: [groups, async () => {
      const one = await topic()
      const only = await member(one, one)
      await eventually("the partition", () => only.has.length === 1)
      await only.consumer.commitOffsets([{ topic: one, partition: 0, offset: "0" }])
      const { groups: [told] } = await admin.describeGroups([one])
      assert.equal(told.state, "Stable")
      assert.equal(told.members.length, 1)
      assert((await admin.listGroups()).groups.some(({ groupId }) => groupId === one))
      await assert.rejects(admin.deleteGroups([one]))
      await only.consumer.disconnect()
      await admin.setOffsets({ groupId: one, topic: one, partitions: [{ partition: 0, offset: "3" }] })
      assert.equal(await committed(one, one), "3")
      await admin.deleteGroups([one])
      assert(!(await admin.listGroups()).groups.some(({ groupId }) => groupId === one))
    }],

    transactions_commit_and_abort: [transactions, async () => {
      const one = await topic()
      const producer = transactional(one)
      await producer.connect()
      for (const [value, end] of [["a", "commit"], ["lost", "abort"], ["b", "commit"]]) {
        const transaction = await producer.transaction()
        await transaction.send({ topic: one, messages: [{ value }] })
        await transaction[end]()
      }
      await producer.disconnect()
      assert.deepEqual(read(one, 0, "%s"), ["a", "b"]) // kcat reads what is committed
    }],

    consume_transform_produce: [{ ...groups, ...transactions, TxnOffsetCommit: 28 }, async () => {
      const [source, sink] = [await topic(), await topic()]
      await produce({}, { topic: source, messages: numbered(10) })
      const producer = transactional(source)
      await producer.connect()
      for (const end of ["abort", "commit"]) {
        const transaction = await producer.transaction()
        await transaction.send({ topic: sink, messages: numbered(10) })
        await transaction.sendOffsets({
          consumerGroupId: source, topics: [{ topic: source, partitions: [{ partition: 0, offset: "10" }] }] })
        await transaction[end]()
        const expected = end === "commit" ? "10" : "-1"
        await eventually(`committed ${expected}`, async () => await committed(source, source) === expected)
      }
      await producer.disconnect()
      assert.equal(read(sink, 0, "%s").length, 10)
    }],
  }
}
