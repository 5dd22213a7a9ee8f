"""From an assessment to what the EHR shows; decides nothing."""
