"""The journal in the forms of other people's books: hledger, beancount, CSV and Parquet."""
