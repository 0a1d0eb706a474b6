// Package copier copies the records of a topic to another, in one cluster or
// from one to another, each exactly once, whatever is interrupted, killed or
// started twice.
//
// A copy has a name that is made of the ids of both topics and of what is
// copied. It
//
//  1. opens the transactional producer of that name on the target's cluster:
//     this fences any other run of the copy and aborts what it left open;
//  2. reads how far the copy has come from the topic suokectl.progress there;
//  3. reads the source from those positions on, and gathers what comes for up
//     to a quarter of a second, in memory;
//  4. produces what was gathered, and the new positions, in one transaction.
//
// Since the positions are stored by the cluster that stores the records, the
// copy is exactly once across clusters too. A run that ends at any moment is
// gone on with by the next, which copies nothing twice and leaves nothing out;
// run again after its end, a copy takes what is new. A topic that was deleted
// and made again is another topic.
//
// Keys, values and headers stay byte for byte, null stays null, headers keep
// their order and may be there more than once, timestamps stay. A record goes to
// the partition that it comes from when both topics have as many; else its key
// decides, as in Kafka's own clients.
//
// Readers of the target that do not ask for committed records only may see
// records of transactions that were aborted.
package copier
