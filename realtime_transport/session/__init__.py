"""Agents on a transport: tools, handoffs, guardrails, approvals and history."""
