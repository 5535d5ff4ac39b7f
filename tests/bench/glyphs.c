/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/bench/glyphs.c - letters as strokes. Tests and bench; pure.
 */
#include "tests/bench/glyphs.h"

#include <stdbool.h>
#include <stddef.h>

#define FIRST ' '
#define LAST '~'

/* All lengths in eighths of a pixel. */
#define UNIT 8
#define RADIUS 5 /* of the pen: a stroke of 1.25 pixels never fills its pixels exactly */
#define POINT_X(d) (UNIT + 12 * (d))
#define POINT_Y(d) (2 * UNIT + 10 * (d))

/* Points "xy" on a grid of 5 times 9: capitals reach from y 0 to 6, small letters from 2, tails to
 * 8. A blank lifts the pen. */
static const char *const strokes[LAST - FIRST + 1] = {
	['!' - FIRST] = "2024 2626",
	['"' - FIRST] = "1012 3032",
	['#' - FIRST] = "1016 3036 0242 0444",
	['\'' - FIRST] = "2022",
	['(' - FIRST] = "30212536",
	[')' - FIRST] = "10212516",
	['*' - FIRST] = "2125 0244 4204",
	['+' - FIRST] = "0444 2226",
	[',' - FIRST] = "2617",
	['-' - FIRST] = "0343",
	['.' - FIRST] = "2526",
	['/' - FIRST] = "4007",
	['0' - FIRST] = "103041453616050110 1531",
	['1' - FIRST] = "112026 1636",
	['2' - FIRST] = "01103041420646",
	['3' - FIRST] = "0110304142334445361605 1333",
	['4' - FIRST] = "36300444",
	['5' - FIRST] = "400002324345361605",
	['6' - FIRST] = "413010010516364544331304",
	['7' - FIRST] = "004016",
	['8' - FIRST] = "103041423313020110 133344453616050413",
	['9' - FIRST] = "051636454130100102133342",
	[':' - FIRST] = "2223 2526",
	[';' - FIRST] = "2223 2617",
	['<' - FIRST] = "410345",
	['=' - FIRST] = "0242 0444",
	['>' - FIRST] = "014305",
	['A' - FIRST] = "062046 1434",
	['B' - FIRST] = "0006 003041423303 3344453606",
	['C' - FIRST] = "4130100105163645",
	['D' - FIRST] = "00304145360600",
	['E' - FIRST] = "40000646 0333",
	['F' - FIRST] = "400006 0333",
	['G' - FIRST] = "41301001051636454323",
	['H' - FIRST] = "0006 4046 0343",
	['I' - FIRST] = "1030 2026 1636",
	['J' - FIRST] = "2040 3035261605",
	['K' - FIRST] = "0006 400346",
	['L' - FIRST] = "000646",
	['M' - FIRST] = "0600234046",
	['N' - FIRST] = "06004640",
	['O' - FIRST] = "103041453616050110",
	['P' - FIRST] = "06003041423303",
	['Q' - FIRST] = "103041453616050110 2447",
	['R' - FIRST] = "06003041423303 2346",
	['S' - FIRST] = "413010010213334445361605",
	['T' - FIRST] = "0040 2026",
	['U' - FIRST] = "000516364540",
	['V' - FIRST] = "002640",
	['W' - FIRST] = "0016233640",
	['X' - FIRST] = "0046 4006",
	['Y' - FIRST] = "002340 2326",
	['Z' - FIRST] = "00400646",
	['[' - FIRST] = "30202636",
	[']' - FIRST] = "10202616",
	['_' - FIRST] = "0747",
	['a' - FIRST] = "12324346 441405163645",
	['b' - FIRST] = "0006 0312324345361605",
	['c' - FIRST] = "4332120305163645",
	['d' - FIRST] = "4046 4332120305163645",
	['e' - FIRST] = "04444332120305163645",
	['f' - FIRST] = "40302126 1242",
	['g' - FIRST] = "4332120305163645 4247381807",
	['h' - FIRST] = "0006 0312324346",
	['i' - FIRST] = "122226 1636 2020",
	['j' - FIRST] = "1232372818 3030",
	['k' - FIRST] = "0006 0442 1446",
	['l' - FIRST] = "1020261636",
	['m' - FIRST] = "0602 03122326 23324346",
	['n' - FIRST] = "0206 0312324346",
	['o' - FIRST] = "123243453616050312",
	['p' - FIRST] = "0208 0312324345361605",
	['q' - FIRST] = "4248 4332120305163645",
	['r' - FIRST] = "0206 03123243",
	['s' - FIRST] = "43321203143445361605",
	['t' - FIRST] = "1015263645 0232",
	['u' - FIRST] = "0205163645 4246",
	['v' - FIRST] = "022642",
	['w' - FIRST] = "0216233642",
	['x' - FIRST] = "0246 4206",
	['y' - FIRST] = "0226 421708",
	['z' - FIRST] = "02420646",
	['{' - FIRST] = "30212213242536",
	['}' - FIRST] = "10212233242516",
};

/* Is (x, y) within the pen's reach of the line from (ax, ay) to (bx, by)? */
static bool inked(int x, int y, int ax, int ay, int bx, int by)
{
	int dx = bx - ax, dy = by - ay, vx = x - ax, vy = y - ay;
	int along = vx * dx + vy * dy, length = dx * dx + dy * dy, across = vx * dy - vy * dx;

	if (along <= 0)
		return vx * vx + vy * vy <= RADIUS * RADIUS;
	if (along >= length)
		return (x - bx) * (x - bx) + (y - by) * (y - by) <= RADIUS * RADIUS;
	return across * across <= RADIUS * RADIUS * length;
}

static bool covered(const char *s, int x, int y)
{
	for (; s[0] && s[1]; s += 2) {
		if (s[0] == ' ')
			s++;
		if (s[2] && s[2] != ' ' &&
		    inked(x, y, POINT_X(s[0] - '0'), POINT_Y(s[1] - '0'), POINT_X(s[2] - '0'),
		          POINT_Y(s[3] - '0')))
			return true;
	}
	return false;
}

/* 4 times 4 samples a pixel. */
static void draw(const char *s, uint8_t ret[GLYPH_H][GLYPH_W])
{
	for (int y = 0; y < GLYPH_H; y++) {
		for (int x = 0; x < GLYPH_W; x++) {
			int hits = 0;

			for (int i = 0; i < 16; i++)
				hits += covered(s, x * UNIT + 1 + 2 * (i % 4),
				                y * UNIT + 1 + 2 * (i / 4));
			ret[y][x] = (uint8_t)(hits * 255 / 16);
		}
	}
}

const uint8_t (*glyph_coverage(char c))[GLYPH_W]
{
	static uint8_t cells[LAST - FIRST + 1][GLYPH_H][GLYPH_W];
	static bool drawn;

	for (int i = 0; !drawn && i <= LAST - FIRST; i++)
		if (strokes[i])
			draw(strokes[i], cells[i]);
	drawn = true;
	return cells[c > FIRST && c <= LAST ? c - FIRST : 0];
}
