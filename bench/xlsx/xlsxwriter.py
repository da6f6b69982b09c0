"""Writes the table of data.go with XlsxWriter: ROWS FILE."""
import json
import re
import sys

import xlsxwriter

FORMATS = [("파워링크 캠페인 %d", 200), ("광고그룹 %d 모바일", 2000), ("꽃배달 키워드 %d", 20000), ("강남 당일 꽃배달 검색어 %d", 50000)]
COLUMNS = ["date", "campaign", "adgroup", "keyword", "search_term", "impressions", "clicks", "cost", "cost_vat_incl", "ctr", "average_rank", "conversions"]
state = 1


def draw(n):
    global state
    state = (state * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
    return (state >> 33) % n


def peak():
    try:
        with open("/proc/self/status", encoding="utf-8") as status:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1))
    except OSError:
        return 0


def main(rows, path):
    start = peak()
    words = [[f % i for i in range(n)] for f, n in FORMATS]
    book = xlsxwriter.Workbook(path, {"constant_memory": True})
    sheet = book.add_worksheet()
    date, whole, share, two = (book.add_format({"num_format": f}) for f in ("yyyy-mm-dd", "#,##0", "0.00%", "#,##0.00"))
    for i, c in enumerate(COLUMNS):
        sheet.write_string(0, i, c)
    text, number = sheet.write_string, sheet.write_number
    for i in range(rows):
        r = i + 1
        number(r, 0, 20454 + i * 365 // rows + 25569, date)
        for j, w in enumerate(words):
            text(r, 1 + j, w[draw(len(w))])
        impressions, clicks, cost = draw(20000), draw(1000), draw(900000)
        number(r, 5, impressions, whole)
        number(r, 6, clicks, whole)
        number(r, 7, cost, whole)
        number(r, 8, cost * 110 / 100, whole)
        number(r, 9, clicks / (impressions + 1), share)
        number(r, 10, (100 + draw(1400)) / 100, two)
        number(r, 11, draw(50), whole)
    book.close()
    print(json.dumps({"version": xlsxwriter.__version__, "peak_kb": peak(), "start_kb": start}))


main(int(sys.argv[1]), sys.argv[2])
