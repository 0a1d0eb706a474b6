// Package benchpage draws the result of `rpc bench` as one HTML page that needs
// nothing else: no script, no font, no network.
//
// The plots are SVG of our own, by html/template: their colours are those of the
// page, light or dark as its reader's are, their texts are texts, and what comes
// from the network is escaped by the one template. A plotting library fixes
// colours when it draws, and costs every command at start-up.
package benchpage
