// Package theme says what the console's tokens look like: dark, light, sixteen
// colours, none, each also in plain ASCII.
//
// Grey is good: colour only for what needs a person. Every state has four
// signs: glyph, word, place and colour; alarms are in CAPITALS and the worst is
// a filled badge, because no dark amber and dark red on white can be told apart
// by a deuteranope. The terminal's background is never painted.
//
//	token   meaning           dark                light               16            none
//	text    values            default             default             default       –
//	title   names, heads      255 bold            232 bold            bold          bold
//	dim     labels, limits    245 (6.1:1)         242 (5.3:1)         faint         faint
//	faint   rules             240                 249                 faint         faint
//	ok      healthy           108 (8.5:1)         22 (8.0:1)          green         plain
//	warn    look soon         221 (15.1:1)        94 (5.7:1)          yellow        bold
//	crit    act now           203 bold (7.1:1)    124 bold (7.4:1)    bright red    bold underline
//	badge   the worst         16 on 203           231 on 124          on bright red reverse bold
//	accent  selection         110 (9.1:1)         26 (5.8:1)          cyan          bold
//	info    in progress       73 (8.2:1)          24 (7.0:1)          cyan          plain
//	maint   a person did it   139 (6.9:1)         96 (5.2:1)          magenta       plain
//	spark   graphs            66 (5.3:1)          109, shape only     faint         faint
//	mode    where am I        reverse             reverse             reverse       reverse
package theme
